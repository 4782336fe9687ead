"""A second verifier of attestation documents, after the checklist of docs/verification.md, on libraries that have
nothing in common with the first one's. It is held against manifests such as the conformance suite's:

    python verify.py FOLDER...

prints each entry that it accepts and the manifest does not, or the other way round, with its reason, and how many it
judged. Exit status 1 if there is such an entry. It needs cryptography and cbor2, from PyPI.
"""

import hashlib
import hmac
import json
import re
import sys
from datetime import datetime, timezone
from pathlib import Path

import cbor2
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

MAX_DOCUMENT = 16 * 1024
ES384 = bytes.fromhex("a1013822")
AWS_ROOT_SHA256 = "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b"
ECDSA_WITH_SHA384 = "1.2.840.10045.4.3.3"
CLOCK_SKEW_MS = 10_000
ZERO = bytes(48)
REQUIRED = {"module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle"}
OPTIONAL = {"public_key", "user_data", "nonce"}


class Refused(Exception):
    """The document breaks a rule."""


def require(kept, rule):
    if not kept:
        raise Refused(rule)


def decode(data):
    try:
        return cbor2.loads(data)
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise Refused(f"not CBOR: {error}") from error


def is_bytes(item, shortest, longest):
    return type(item) is bytes and shortest <= len(item) <= longest


# --- The document -----------------------------------------------------------------------------------------------------
# The decoder is lenient; strictness comes from writing what was read again, in the one way that is right: longer heads,
# chunks, keys that stand twice, and bytes behind the end do not survive that.


def envelope(document):
    """Payload and signature."""
    require(len(document) <= MAX_DOCUMENT, "too large")
    untagged = document[1:] if document[:1] == b"\xd2" else document
    parts = decode(untagged)
    require(type(parts) is list and len(parts) == 4, "not an array of four")
    protected, unprotected, payload, signature = parts
    require(type(protected) is bytes and protected == ES384, "protected header")
    require(type(unprotected) is dict and not unprotected, "unprotected header")
    require(type(payload) is bytes, "payload is no byte string")
    require(is_bytes(signature, 96, 96), "signature length")
    require(cbor2.dumps([protected, {}, payload, signature]) == untagged, "envelope not in its one right form")
    return payload, signature


def fields(payload):
    """The payload's fields, each within its bounds."""
    found = decode(payload)
    require(type(found) is dict, "payload is no map")
    require(all(type(key) is str for key in found), "a key that is no text")
    require(REQUIRED <= found.keys() <= REQUIRED | OPTIONAL, "missing or unknown keys")
    module_id = found["module_id"]
    require(type(module_id) is str, "module_id")
    require(re.fullmatch("i-[0-9A-Za-z]+-enc[0-9A-Za-z]+", module_id), "module_id")
    require(type(found["digest"]) is str and found["digest"] == "SHA384", "digest")
    require(type(found["timestamp"]) is int and 0 < found["timestamp"] < 2**64, "timestamp")
    pcrs = found["pcrs"]
    require(type(pcrs) is dict and 1 <= len(pcrs) <= 32, "pcrs")
    require(all(type(index) is int and 0 <= index <= 31 for index in pcrs), "index of a PCR")
    require(all(is_bytes(value, 48, 48) for value in pcrs.values()), "length of a PCR")
    bundle = found["cabundle"]
    require(type(bundle) is list and bundle, "cabundle")
    require(all(is_bytes(der, 1, 1024) for der in [*bundle, found["certificate"]]), "length of a certificate")
    for key in OPTIONAL:
        require(found.get(key) is None or is_bytes(found[key], 0, 1024), key)
    entries = b"".join(cbor2.dumps(key) + cbor2.dumps(value) for key, value in found.items())
    definite = bytes([0xA0 + len(found)]) + entries
    require(payload in (definite, b"\xbf" + entries + b"\xff"), "payload not in one of its right forms")
    return found


# --- The chain --------------------------------------------------------------------------------------------------------


def chain(bundle, leaf, roots, clock):
    """The leaf's key, once each certificate is in its place and issued by the one before."""
    require(bundle[0] in roots, "unknown root")
    require(len(bundle) == 4, "not four authorities")
    certificates = [certificate(der) for der in [*bundle, leaf]]
    for place, current in enumerate(certificates):
        algorithms(current)
        role(current, place)
        now = datetime.fromtimestamp(clock, timezone.utc)
        require(current.not_valid_before_utc <= now <= current.not_valid_after_utc, "outside its window")
        if place > 0:
            issued_by(current, certificates[place - 1])
    return certificates[-1].public_key()


def certificate(der):
    try:
        parsed = x509.load_der_x509_certificate(der)
        require(parsed.public_bytes(Encoding.DER) == der, "certificate not in DER")
        require(der.endswith(b"\0" + parsed.signature), "unused bits in the signature's BIT STRING")
        require(parsed.version is x509.Version.v3, "not X.509 v3")
        (parsed.subject, parsed.issuer)  # Parsed when they are asked for.
        for extension in parsed.extensions:
            unknown = isinstance(extension.value, x509.UnrecognizedExtension)
            require(not (unknown and extension.critical), "unknown critical extension")
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension) as error:
        raise Refused(f"certificate: {error}") from error
    return parsed


def algorithms(found):
    require(found.signature_algorithm_oid.dotted_string == ECDSA_WITH_SHA384, "signature algorithm")
    try:
        key = found.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Refused(f"public key: {error}") from error
    require(isinstance(key, ec.EllipticCurvePublicKey), "not an EC key")
    require(isinstance(key.curve, ec.SECP384R1), "not P-384")
    point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    require(point in found.tbs_certificate_bytes, "not an uncompressed point")


def role(found, place):
    """Root, regional, zonal, instance, leaf: 0 to 4."""
    constraints = extension(found, x509.BasicConstraints)
    usage = extension(found, x509.KeyUsage)
    require(usage is not None, "no key usage")
    if place == 4:
        require(constraints is None or not constraints.ca, "a CA as leaf")
        require(usage.digital_signature and not usage.key_cert_sign, "key usage of the leaf")
        return
    require(constraints is not None and constraints.ca, "not a CA")
    require(place == 0 or constraints.path_length == 3 - place, "path length")
    require(usage.key_cert_sign, "key usage of a CA")


def extension(found, kind):
    try:
        return found.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def issued_by(found, issuer):
    """The issuer's name, the signature, and that both places name the same algorithm."""
    try:
        found.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError) as error:
        raise Refused(f"not issued by the one before: {error}") from error


def signed(payload, signature, key):
    """COSE's signature (RFC 9052, 4.4)."""
    structure = cbor2.dumps(["Signature1", ES384, b"", payload])
    r, s = (int.from_bytes(half, "big") for half in (signature[:48], signature[48:]))
    try:
        key.verify(utils.encode_dss_signature(r, s), structure, ec.ECDSA(SHA384()))
    except (InvalidSignature, ValueError) as error:
        raise Refused("the document's signature") from error


# --- The policy -------------------------------------------------------------------------------------------------------


def trust(root):
    if hashlib.sha256(root).hexdigest() == AWS_ROOT_SHA256:
        return "aws-nitro"
    subject = x509.load_der_x509_certificate(root).subject
    return "development" if any("DEVELOPMENT" in part.value for part in subject) else "custom"


def check(policy, document, clock):
    pcrs = document["pcrs"]
    releases = list(policy.get("release", {}).values())
    require(policy.get("pcr") or releases, "nothing of the image is expected")
    accepted = policy.get("trust", ["aws-nitro", "development", "custom"])
    require(trust(document["cabundle"][0]) in ([accepted] if type(accepted) is str else accepted), "kind of root")
    is_debug = any(pcrs.get(index) == ZERO for index in (0, 1, 2))
    require(not is_debug or policy.get("allow_debug", False), "debug mode")
    withheld = (0, 1, 2, 8) if is_debug else ()

    def met(expected):
        return all(
            pcrs.get(int(index)) in map(bytes.fromhex, [values] if type(values) is str else values)
            for index, values in expected.items()
            if int(index) not in withheld
        )

    require(met(policy.get("pcr", {})), "a PCR")
    require(not releases or any(map(met, releases)), "no release's PCRs")
    for key in OPTIONAL & policy.keys():
        require(bound(policy[key], document.get(key)), key)
    if "max_age" in policy:
        age = clock * 1000 - document["timestamp"]
        require(-CLOCK_SKEW_MS <= age <= policy["max_age"] * 1000, "age")


def bound(expected, found):
    if found is None:
        return False
    if type(expected) is dict:
        [(name, expected)] = expected.items()
        found = hashlib.new(name, found).digest()
    return hmac.compare_digest(found, bytes.fromhex(expected))


# --- The manifest -----------------------------------------------------------------------------------------------------


def verify(document, roots, clock, policy):
    payload, signature = envelope(document)
    found = fields(payload)
    key = chain(found["cabundle"], found["certificate"], roots, clock)
    signed(payload, signature, key)
    instance = found["module_id"].split("-enc")[0].encode()
    require(found["pcrs"].get(4, ZERO) in (ZERO, hashlib.sha384(ZERO + instance).digest()), "PCR4")
    if policy is not None:
        check(policy, found, clock)


def main():
    judged = disagreements = 0
    for folder in map(Path, sys.argv[1:]):
        for entry in json.loads((folder / "manifest.json").read_text())["documents"]:
            roots = [(folder / file).read_bytes() for file in entry["roots"]]
            try:
                verify((folder / entry["file"]).read_bytes(), roots, entry["clock"], entry["policy"])
                verdict = "verified"
            except Refused as reason:
                verdict = f"refused ({reason})"
            judged += 1
            if (verdict == "verified") != (entry["expected"] == "verified"):
                disagreements += 1
                print(f"{folder / entry['file']}: {verdict}; the manifest says {entry['expected']}")
    print(f"{judged} documents judged, {disagreements} disagreements")
    return 1 if disagreements or not judged else 0


if __name__ == "__main__":
    sys.exit(main())
