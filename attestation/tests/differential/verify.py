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
    check_der(der)
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


# --- DER --------------------------------------------------------------------------------------------------------------
# The library checks what it parses. What it keeps as it is, or parses by its length alone, is walked here.

PRIMITIVE = {
    0x01: lambda content: content in (b"\x00", b"\xff"),
    0x02: lambda content: content == shortest(content),
    0x03: lambda content: is_bits(content),
    0x04: lambda content: True,
    0x05: lambda content: content == b"",
    0x06: lambda content: re.fullmatch(rb"((?!\x80)[\x80-\xff]*[\x00-\x7f])+", content, re.DOTALL),
    0x0A: lambda content: content == shortest(content),
    0x0C: lambda content: is_utf8(content),
    0x13: lambda content: re.fullmatch(rb"[A-Za-z0-9 '()+,\-./:=?]*", content),
    0x16: lambda content: content.isascii(),
    0x17: lambda content: re.fullmatch(rb"[0-9]{12}Z", content),
    0x18: lambda content: re.fullmatch(rb"[0-9]{14}Z", content),
}
TEXT = (0x0C, 0x13, 0x16)
TBS = [0xA0, 0x02, 0x30, 0x30, 0x30, 0x30, 0x30, 0xA3]


def values(data):
    """Tag, content and encoding of each value of data, checked."""
    while data:
        require(len(data) >= 2 and data[0] != 0 and data[0] & 0x1F != 0x1F, "DER: tag")
        size = data[1] & 0x7F if data[1] >= 0x80 else 0
        length = int.from_bytes(data[2 : 2 + size], "big") if data[1] >= 0x80 else data[1]
        head = bytes([length]) if length < 0x80 else b"\x81%c" % length if length < 0x100 else b"\x82" + length.to_bytes(size, "big")
        require(data[1 : 2 + size] == head and len(data) >= 2 + size + length, "DER: length")
        tag, content, whole = data[0], data[2 + size : 2 + size + length], data[: 2 + size + length]
        if tag in (0x30, 0x31) or (tag & 0xC0 and tag & 0x20):
            inside = [encoded for _, _, encoded in values(content)]
            require(tag != 0x31 or inside == sorted(set(inside)), "DER: order of a SET")
        else:
            require(tag & 0xC0 or PRIMITIVE.get(tag, lambda _: False)(content), "DER: value")
        yield tag, content, whole
        data = data[len(whole) :]


def shortest(content):
    number = int.from_bytes(content, "big", signed=True)
    return number.to_bytes((number if number >= 0 else ~number).bit_length() // 8 + 1, "big", signed=True)


def is_bits(content):
    unused = content[0] if content else 8
    return unused == 0 if len(content) == 1 else unused < 8 and content[-1] % (1 << unused) == 0


def is_utf8(content):
    try:
        return content.decode() is not None
    except UnicodeDecodeError:
        return False


def parts(data, *tags):
    """The contents of the values of data, whose tags must be these."""
    found = list(values(data))
    require([tag for tag, _, _ in found] == list(tags), "DER: other parts")
    return [content for _, content, _ in found]


def some_of(data, tags):
    """The values of data, whose tags are some of these, in their order."""
    found = list(values(data))
    order = [tags.index(tag) if tag in tags else -1 for tag, _, _ in found]
    require(-1 not in order and order == sorted(set(order)), "DER: other parts")
    return found


def check_der(der):
    [certificate] = parts(der, 0x30)
    tbs, _, _ = parts(certificate, 0x30, 0x30, 0x03)
    _, _, _, issuer, _, subject, _, extensions = parts(tbs, *TBS)
    for name in (issuer, subject):
        for tag, relative, _ in values(name):
            require(tag == 0x31 and relative, "name")
            for tag, attribute, _ in values(relative):
                found = list(values(attribute)) if tag == 0x30 else []
                require([tag for tag, _, _ in found][:1] == [0x06], "name")
                require(len(found) == 2 and found[1][0] in TEXT, "name")
    for tag, extension, _ in values(parts(extensions, 0x30)[0]):
        require(tag == 0x30, "extension")
        found = [(tag, content) for tag, content, _ in values(extension)]
        if len(found) == 3:
            require(found.pop(1) == (0x01, b"\xff"), "a default that is written")
        require([tag for tag, _ in found] == [0x06, 0x04], "extension")
        check_extension(found[0][1], found[1][1])


def check_extension(identifier, content):
    if len(identifier) != 3 or identifier[:2] != b"\x55\x1d":
        return
    number = identifier[2]
    if number == 14:
        parts(content, 0x04)
    elif number == 15:
        [bits] = parts(content, 0x03)
        require(bits == b"\0" or len(bits) > 1 and bits[-1] >> bits[0] & 1, "named bits")
    elif number == 19:
        [constraints] = parts(content, 0x30)
        require(all(tag != 0x01 or value == b"\xff" for tag, value, _ in some_of(constraints, [0x01, 0x02])), "default")
    elif number == 31:
        for tag, point, _ in values(parts(content, 0x30)[0]):
            require(tag == 0x30, "distribution point")
            some_of(point, [0xA0, 0x81, 0xA2])
    elif number == 35:
        some_of(parts(content, 0x30)[0], [0x80, 0xA1, 0x82])
    else:
        require(len(list(values(content))) == 1, "extension")


# --- The policy -------------------------------------------------------------------------------------------------------


def trust(root):
    if hashlib.sha256(root).hexdigest() == AWS_ROOT_SHA256:
        return "aws-nitro"
    subject = x509.load_der_x509_certificate(root).subject
    return "development" if any("DEVELOPMENT" in part.value for part in subject) else "custom"


def check(policy, document, clock):
    pcrs = document["pcrs"]
    releases = list(policy.get("release", {}).values())
    roots = policy.get("root", [])
    fingerprint = hashlib.sha256(document["cabundle"][0]).hexdigest()
    require(policy.get("pcr") or releases, "nothing of the image is expected")
    accepted = policy.get("trust", ["aws-nitro", "development", "custom"])
    require(trust(document["cabundle"][0]) in ([accepted] if type(accepted) is str else accepted), "kind of root")
    roots = [roots] if type(roots) is str else roots
    require(not roots or fingerprint in map(str.lower, roots), "another root")
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
