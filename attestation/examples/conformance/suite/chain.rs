//! Faults of the chain, under a right document.

use super::Case;
use crate::authority::{Authority, Draft, LEAF, LEAF_END, LEAF_START, NOW, ROOT};
use crate::support::{INSTANCE, REGIONAL, ZONAL, signed_part};
use attestation::Code::{
    self, CertificateAlgorithm, CertificateConstraints, CertificateEncoding, CertificateExpired,
    CertificateKeyUsage, CertificateNotYetValid, CertificateRejected, CertificateSignature, ChainLength,
    ChainOrder, UnknownRoot,
};
use attestation::Root;
use rcgen::{BasicConstraints, CustomExtension, IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256};
use time::OffsetDateTime;

const DER: &str = "one X.509 v3 certificate in DER";

pub(super) fn cases() -> Vec<Case> {
    [
        roots(),
        orders(),
        encodings(),
        algorithms(),
        constraints(),
        key_usages(),
        windows(),
        signatures(),
        extensions(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The name of a case about the certificate of `place`.
fn of_place(place: usize, what: &str) -> String {
    let places = ["root", "regional", "zonal", "instance", "leaf"];
    format!("{}-{what}", places[place])
}

/// A document that `change`d certificates stand under, all of them issued anew.
fn changed(name: &str, rule: &str, code: Code, change: impl FnOnce(&mut Authority)) -> Case {
    let mut authority = Authority::new();
    change(&mut authority);
    case(&authority, name, rule, &authority.issue(), code)
}

fn case(authority: &Authority, name: &str, rule: &str, certificates: &[Vec<u8>], code: Code) -> Case {
    let draft = Draft::new(certificates);
    Case::signed(authority, &draft, &format!("chain-{name}"), rule).refused(code)
}

fn roots() -> Vec<Case> {
    let rule = "cabundle[0] is, byte for byte, a root that the verifier holds";
    let authority = Authority::new();
    let certificates = authority.issue();
    let unknown = |name, roots| case(&authority, name, rule, &certificates, UnknownRoot).under(roots);
    let mut renewed = Authority {
        params: authority.params.clone(),
        keys: authority.keys.iter().map(copy).collect(),
    };
    renewed.params[ROOT].not_after += time::Duration::days(1);
    let renewed = Root::from_der(&renewed.issue_one(ROOT, ROOT)).unwrap();
    let mut aws_in_front = certificates.clone();
    aws_in_front[ROOT] = Root::aws_nitro().der().to_vec();
    let issued = "each issued by the one before";
    vec![
        unknown("no-root-held", vec![]),
        unknown("only-aws-root-held", vec![Root::aws_nitro()]),
        unknown("another-root-held", vec![Authority::new().draft().root]),
        unknown("root-of-same-name-and-key", vec![renewed]),
        case(&authority, "aws-root-in-front", issued, &aws_in_front, ChainOrder)
            .under(vec![Root::aws_nitro()]),
    ]
}

fn orders() -> Vec<Case> {
    let rule = "root, regional, zonal, instance, leaf, in this order";
    let authority = Authority::new();
    let certificates = authority.issue();
    [
        (
            "regional-and-zonal-swapped",
            &[ROOT, ZONAL, REGIONAL, INSTANCE, LEAF][..],
            ChainOrder,
        ),
        (
            "zonal-and-instance-swapped",
            &[ROOT, REGIONAL, INSTANCE, ZONAL, LEAF],
            ChainOrder,
        ),
        ("zonal-twice", &[ROOT, REGIONAL, ZONAL, ZONAL, LEAF], ChainOrder),
        (
            "instance-as-leaf",
            &[ROOT, REGIONAL, ZONAL, INSTANCE, INSTANCE],
            ChainOrder,
        ),
        ("instance-missing", &[ROOT, REGIONAL, ZONAL, LEAF], ChainLength),
        ("regional-missing", &[ROOT, ZONAL, INSTANCE, LEAF], ChainLength),
        ("root-alone", &[ROOT, LEAF], ChainLength),
        (
            "root-twice",
            &[ROOT, ROOT, REGIONAL, ZONAL, INSTANCE, LEAF],
            ChainLength,
        ),
        (
            "leaf-in-bundle",
            &[ROOT, REGIONAL, ZONAL, INSTANCE, LEAF, LEAF],
            ChainLength,
        ),
        ("reversed", &[INSTANCE, ZONAL, REGIONAL, ROOT, LEAF], UnknownRoot),
    ]
    .map(|(name, places, code)| {
        let certificates: Vec<_> = places.iter().map(|place| certificates[*place].clone()).collect();
        let root = Root::from_der(&authority.issue_one(ROOT, ROOT));
        let held = match code {
            UnknownRoot => vec![root.unwrap()],
            _ => vec![Root::from_der(&certificates[ROOT]).unwrap()],
        };
        case(&authority, name, rule, &certificates, code).under(held)
    })
    .into()
}

fn encodings() -> Vec<Case> {
    let rule = DER;
    let authority = Authority::new();
    let right = authority.issue();
    let mut cases = other_spellings(&authority, &right);
    for place in REGIONAL..=LEAF {
        let long = [&right[place][..], &[0]].concat();
        let short = right[place][..right[place].len() - 1].to_vec();
        for (what, der) in [("trailing-byte", long), ("cut", short), ("zeros", vec![0; 100])] {
            let mut certificates = right.clone();
            certificates[place] = der;
            let name = of_place(place, what);
            cases.push(case(&authority, &name, rule, &certificates, CertificateEncoding));
        }
        let name = of_place(place, "malformed-constraints");
        cases.push(changed(&name, rule, CertificateEncoding, |authority| {
            let constraints = CustomExtension::from_oid_content(&[2, 5, 29, 19], vec![0x30, 0x7f]);
            authority.params[place].is_ca = IsCa::NoCa;
            authority.params[place].custom_extensions = vec![constraints];
        }));
    }
    cases
}

/// The leaf's values in other spellings than DER's, of the same length, signed by its issuer: what stood there, and what does.
fn other_spellings(authority: &Authority, right: &[Vec<u8>]) -> Vec<Case> {
    let leaf_name = b"\x06\x03\x55\x04\x03\x0c\x04leaf".as_slice();
    let key_usage = b"\x06\x03\x55\x1d\x0f\x01\x01\xff\x04\x04\x03\x02\x07\x80".as_slice();
    [
        (
            "name-in-other-text",
            leaf_name,
            b"\x06\x03\x55\x04\x03\x1e\x04leaf".as_slice(),
        ),
        ("name-no-text", leaf_name, b"\x06\x03\x55\x04\x03\x04\x04leaf"),
        ("name-no-utf8", leaf_name, b"\x06\x03\x55\x04\x03\x0c\x04lea\xff"),
        (
            "name-under-other-identifier",
            leaf_name,
            b"\x0d\x03\x55\x04\x03\x0c\x04leaf",
        ),
        (
            "boolean-true-as-1",
            key_usage,
            b"\x06\x03\x55\x1d\x0f\x01\x01\x01\x04\x04\x03\x02\x07\x80",
        ),
        (
            "boolean-false-written",
            key_usage,
            b"\x06\x03\x55\x1d\x0f\x01\x01\x00\x04\x04\x03\x02\x07\x80",
        ),
        (
            "unused-bits-set",
            key_usage,
            b"\x06\x03\x55\x1d\x0f\x01\x01\xff\x04\x04\x03\x02\x07\xc0",
        ),
        (
            "unused-bits-kept",
            key_usage,
            b"\x06\x03\x55\x1d\x0f\x01\x01\xff\x04\x04\x03\x02\x06\x80",
        ),
        (
            "identifier-longer-than-needed",
            key_usage,
            b"\x06\x03\x80\x1d\x0f\x01\x01\xff\x04\x04\x03\x02\x07\x80",
        ),
    ]
    .map(|(what, found, spelled)| {
        let mut leaf = right[LEAF].clone();
        let place = leaf
            .windows(found.len())
            .position(|bytes| bytes == found)
            .unwrap();
        leaf[place..place + found.len()].copy_from_slice(spelled);
        let mut certificates = right.to_vec();
        certificates[LEAF] = authority.certify(signed_part(&leaf), INSTANCE);
        case(
            authority,
            &of_place(LEAF, what),
            DER,
            &certificates,
            CertificateEncoding,
        )
    })
    .into()
}

fn algorithms() -> Vec<Case> {
    let rule = "a P-384 key, signed with ecdsa-with-SHA384";
    let mut cases = Vec::new();
    for place in REGIONAL..=INSTANCE {
        let name = of_place(place, "p256");
        cases.push(changed(&name, rule, CertificateAlgorithm, |authority| {
            authority.keys[place] = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        }));
    }
    // The leaf's certificate has another key than the one that signs the document, which cannot be P-256.
    let mut authority = Authority::new();
    let own = copy(&authority.keys[LEAF]);
    authority.keys[LEAF] = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let certificates = authority.issue();
    authority.keys[LEAF] = own;
    cases.push(case(
        &authority,
        "leaf-p256",
        rule,
        &certificates,
        CertificateAlgorithm,
    ));
    cases.push(key_under_another_tag());
    cases
}

/// The leaf's key, its algorithm under tag 7 (ObjectDescriptor) where DER has 6, in a certificate that its issuer signed.
fn key_under_another_tag() -> Case {
    let authority = Authority::new();
    let mut certificates = authority.issue();
    let right = b"\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01";
    let leaf = &certificates[LEAF];
    let place = leaf
        .windows(right.len())
        .position(|bytes| bytes == right)
        .unwrap();
    let mut wrong = leaf.clone();
    wrong[place + 2] = 7;
    certificates[LEAF] = authority.certify(signed_part(&wrong), INSTANCE);
    case(
        &authority,
        "leaf-key-under-another-tag",
        DER,
        &certificates,
        CertificateEncoding,
    )
}

fn constraints() -> Vec<Case> {
    let rule = "CA with path length 2, 1, 0; the leaf no CA";
    let constrained = |length| IsCa::Ca(BasicConstraints::Constrained(length));
    let unconstrained = || IsCa::Ca(BasicConstraints::Unconstrained);
    [
        (REGIONAL, "path-length-3", constrained(3)),
        (REGIONAL, "path-length-1", constrained(1)),
        (REGIONAL, "no-path-length", unconstrained()),
        (ZONAL, "path-length-2", constrained(2)),
        (ZONAL, "path-length-0", constrained(0)),
        (ZONAL, "no-path-length", unconstrained()),
        (INSTANCE, "path-length-1", constrained(1)),
        (INSTANCE, "no-path-length", unconstrained()),
        (INSTANCE, "no-ca", IsCa::ExplicitNoCa),
        (INSTANCE, "without-constraints", IsCa::NoCa),
        (LEAF, "ca", constrained(0)),
    ]
    .map(|(place, what, wrong)| {
        let name = of_place(place, what);
        changed(&name, rule, CertificateConstraints, |authority| {
            authority.params[place].is_ca = wrong
        })
    })
    .into()
}

fn key_usages() -> Vec<Case> {
    use KeyUsagePurpose::{CrlSign, DigitalSignature, KeyCertSign, KeyEncipherment};
    let rule = "keyCertSign; the leaf digitalSignature and not keyCertSign";
    let mut faults = vec![
        (LEAF, "encipherment", vec![KeyEncipherment]),
        (LEAF, "cert-sign-as-well", vec![DigitalSignature, KeyCertSign]),
        (LEAF, "no-key-usage", vec![]),
    ];
    for place in REGIONAL..=INSTANCE {
        faults.push((place, "no-key-usage", vec![]));
        faults.push((place, "without-cert-sign", vec![DigitalSignature, CrlSign]));
    }
    let case = |(place, what, wrong): (usize, &str, Vec<KeyUsagePurpose>)| {
        let name = of_place(place, what);
        changed(&name, rule, CertificateKeyUsage, |authority| {
            authority.params[place].key_usages = wrong
        })
    };
    let mut cases: Vec<_> = faults.into_iter().map(case).collect();
    for (place, unused, bits) in [(REGIONAL, 2, 4), (ZONAL, 2, 4), (INSTANCE, 2, 4), (LEAF, 7, 0x80)] {
        let name = of_place(place, "key-usage-under-another-tag");
        cases.push(changed(&name, DER, CertificateEncoding, |authority| {
            // [3] where DER has BIT STRING (3), with the right bits.
            let usage = CustomExtension::from_oid_content(&[2, 5, 29, 15], vec![0x83, 2, unused, bits]);
            authority.params[place].key_usages = vec![];
            authority.params[place].custom_extensions = vec![usage];
        }));
    }
    cases
}

fn windows() -> Vec<Case> {
    let rule = "valid at the verifier's time, both ends included";
    let second = |offset: i64| OffsetDateTime::from_unix_timestamp(NOW as i64 + offset).unwrap();
    let authority = Authority::new();
    let certificates = authority.issue();
    let mut cases = vec![
        case(
            &authority,
            "a-second-early",
            rule,
            &certificates,
            CertificateNotYetValid,
        )
        .at(LEAF_START - 1),
        case(
            &authority,
            "a-second-late",
            rule,
            &certificates,
            CertificateExpired,
        )
        .at(LEAF_END + 1),
    ];
    for place in ROOT..=LEAF {
        let name = of_place(place, "expired");
        cases.push(changed(&name, rule, CertificateExpired, |authority| {
            authority.params[place].not_after = second(-1);
        }));
        let name = of_place(place, "not-yet-valid");
        cases.push(changed(&name, rule, CertificateNotYetValid, |authority| {
            authority.params[place].not_before = second(1);
        }));
    }
    cases
}

/// A certificate of each place, issued by another key under the issuer's name.
fn signatures() -> Vec<Case> {
    let rule = "each certificate's signature is its issuer's";
    let authority = Authority::new();
    let forge = |place: usize| {
        let mut forger = Authority {
            params: authority.params.clone(),
            keys: Authority::new().keys,
        };
        forger.keys[place] = copy(&authority.keys[place]);
        let mut certificates = authority.issue();
        certificates[place] = forger.issue_one(place, place - 1);
        let name = of_place(place, "forged");
        case(&authority, &name, rule, &certificates, CertificateSignature)
    };
    (REGIONAL..=LEAF).map(forge).collect()
}

fn extensions() -> Vec<Case> {
    let rule = "critical extensions are known";
    let mut cases = Vec::new();
    for place in REGIONAL..=LEAF {
        let name = of_place(place, "extension-twice");
        cases.push(changed(
            &name,
            "an extension stands once",
            CertificateEncoding,
            |authority| {
                let extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], vec![5, 0]);
                authority.params[place].custom_extensions = vec![extension.clone(), extension];
            },
        ));
        for critical in [false, true] {
            let what = if critical { "critical" } else { "uncritical" };
            let name = of_place(place, &format!("unknown-{what}-extension"));
            let case = changed(&name, rule, CertificateRejected, |authority| {
                let mut extension =
                    CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], vec![5, 0]);
                extension.set_criticality(critical);
                authority.params[place].custom_extensions = vec![extension];
            });
            let expected = case.expected.filter(|_| critical);
            cases.push(Case { expected, ..case });
        }
    }
    cases
}

fn copy(key: &KeyPair) -> KeyPair {
    KeyPair::try_from(key.serialize_der()).unwrap()
}
