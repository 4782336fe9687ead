//! What the fuzz targets do with an input. The tests do the same with the seeds (`tests/verification/seeds.rs`).

use crate::authority::{
    Authority, Draft, INSTANCE_ID, NOW, at, bytes, document as envelope, null, pcrs, text, uint,
};
use crate::dice::Dice;
use crate::mutants::mutant;
use attestation::crypto::RustCrypto;
use attestation::{Document, Policy, Root, Verifier, pcr4_of, verify};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

static AUTHORITY: LazyLock<Authority> = LazyLock::new(Authority::new);
/// A right document to be. Its certificates are issued once.
static DRAFT: LazyLock<Draft> = LazyLock::new(|| AUTHORITY.draft());

/// Any bytes as a document: verification never panics, and no bytes found here are genuine.
pub fn document(input: &[u8]) {
    assert!(verify(input, &[Root::aws_nitro()], at(NOW)).is_err());
    walked(input);
}

/// Any bytes as the payload of a right envelope: the fuzzer need not find the envelope first.
pub fn payload(input: &[u8]) {
    walked(&envelope(input, &[0; 96]));
}

/// Takes the first certificate of the bundle, where it can be one, for a root, so that the chain is walked as well. The
/// chain may be one of the conformance suite's, but the signature is not.
fn walked(input: &[u8]) {
    let Ok(document) = Document::parse_unverified(input) else {
        return;
    };
    if let Some(Ok(root)) = document.cabundle.first().map(|der| Root::from_der(der)) {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(document.timestamp_ms);
        let mut forged = input.to_vec();
        if let Some(last) = forged.last_mut() {
            *last ^= 1;
        }
        let roots = [root];
        let _ = verify(input, &roots, now);
        assert!(verify(&forged, &roots, now).is_err());
    }
}

/// A right document, changed as the differential test changes it, mostly signed again: a chain that is held and another
/// provider change no answer.
pub fn mutation(input: &[u8]) {
    let case = mutant(&mut Dice::of_bytes(input), &AUTHORITY, "mutant");
    let now = at(case.clock);
    let plain = verify(&case.document, &case.roots, now);
    let caching = Verifier::new(case.roots.clone()).caching(1);
    for _ in 0..2 {
        assert_eq!(caching.verify(&case.document, now), plain);
    }
    let pure = Verifier::new(case.roots.clone()).provider(&RustCrypto);
    assert_eq!(pure.verify(&case.document, now), plain);
    if let Ok(genuine) = &plain {
        assert_eq!(
            Document::parse_unverified(&case.document).as_ref(),
            Ok(genuine.document())
        );
    }
    if let (Ok(genuine), Some(policy)) = (plain, &case.policy) {
        let policy = Policy::read(&policy.to_string()).unwrap();
        if let Ok(attested) = genuine.check(&policy, now) {
            assert!(attested.is_debug() || !attested.compared().is_empty());
        }
    }
}

/// A document of any fields, signed: it is accepted exactly if each field is right, and says what was put into it.
pub fn structure(input: &[u8]) {
    let mut made = Structure::new(&mut Dice::of_bytes(input));
    let document = AUTHORITY.sign(&made.draft);
    let verified = verify(&document, std::slice::from_ref(&made.draft.root), at(NOW));
    assert_eq!(verified.is_ok(), made.right, "{:?}", verified.map(|_| ()));
    let Ok(genuine) = verified else { return };
    let found = genuine.document();
    assert_eq!(
        (&found.module_id, found.timestamp_ms),
        (&made.module_id, made.timestamp)
    );
    assert_eq!(found.pcrs, made.pcrs);
    for (key, found) in [
        ("public_key", &found.public_key),
        ("user_data", &found.user_data),
        ("nonce", &found.nonce),
    ] {
        assert_eq!(*found, made.optional.remove(key).flatten(), "{key}");
    }
    // What it says is the policy that it meets, but for a register of another value.
    let met = |pcrs: &BTreeMap<u8, [u8; 48]>| {
        let policy = pcrs
            .iter()
            .fold(Policy::new().allow_debug(true), |policy, (index, value)| {
                policy.pcr(*index, *value)
            });
        genuine.clone().check(&policy, at(NOW))
    };
    let attested = met(&made.pcrs).unwrap();
    assert_eq!(
        attested.compared().len() + attested.not_compared().len(),
        made.pcrs.len()
    );
    if !genuine.is_debug()
        && let Some(mut value) = made.pcrs.last_entry()
    {
        value.get_mut()[47] ^= 1;
        met(&made.pcrs).unwrap_err();
    }
}

/// A payload, and what is known of it.
struct Structure {
    draft: Draft,
    right: bool,
    module_id: String,
    timestamp: u64,
    pcrs: BTreeMap<u8, [u8; 48]>,
    optional: BTreeMap<&'static str, Option<Vec<u8>>>,
}

impl Structure {
    fn new(dice: &mut Dice<'_>) -> Self {
        let mut made = Self {
            draft: DRAFT.clone(),
            right: true,
            module_id: String::new(),
            timestamp: 0,
            pcrs: BTreeMap::new(),
            optional: BTreeMap::new(),
        };
        made.draft.indefinite = dice.one_in(2);
        made.name(dice);
        made.registers(dice);
        made.timestamp = match dice.below(4) {
            0 => dice.below(3) as u64,
            1 => u64::MAX,
            _ => NOW * 1000,
        };
        made.right &= made.timestamp != 0;
        made.draft.set("timestamp", uint(made.timestamp));
        for key in ["public_key", "user_data", "nonce"] {
            made.optional_field(dice, key);
        }
        made.fields(dice);
        made
    }

    fn name(&mut self, dice: &mut Dice<'_>) {
        let part = |dice: &mut Dice<'_>, usual: &str| match dice.below(6) {
            0 => (0..dice.below(4))
                .map(|_| dice.pick(&['a', 'Z', '0', '-', ' ', 'é', 'e', 'n', 'c']))
                .collect(),
            _ => usual.to_owned(),
        };
        let (instance, enclave) = (part(dice, "0123456789abcdef0"), part(dice, "0123456789abcdef"));
        let is_name = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        self.right &= is_name(&instance) && is_name(&enclave);
        self.module_id = format!("i-{instance}-enc{enclave}");
        self.draft.set("module_id", text(&self.module_id));
    }

    fn registers(&mut self, dice: &mut Dice<'_>) {
        let count = dice.pick(&[0, 1, 1, 2, 4, 16, 31, 32, 33]);
        let first = dice.pick(&[0, 0, 0, 0, 1, 5]);
        let values: Vec<_> = (0..count)
            .map(|index| {
                let index = if dice.one_in(60) {
                    dice.below(300) as u64
                } else {
                    first + index
                };
                let length = if dice.one_in(60) {
                    dice.pick(&[0, 47, 49])
                } else {
                    48
                };
                let own = pcr4_of(self.module_id.split("-enc").next().unwrap_or_default());
                let value = match (index, dice.below(3)) {
                    (4, 0) => own.to_vec(),
                    (_, 1) => vec![0; length],
                    (4, _) if dice.one_in(2) => pcr4_of(INSTANCE_ID).to_vec(),
                    _ => vec![dice.below(256) as u8; length],
                };
                self.right &= index != 4 || value == own || value == [0; 48];
                (index, value)
            })
            .collect();
        for (index, value) in &values {
            let known = u8::try_from(*index).ok().filter(|index| *index < 32);
            match (known, <[u8; 48]>::try_from(value.as_slice())) {
                (Some(index), Ok(value)) => self.right &= self.pcrs.insert(index, value).is_none(),
                _ => self.right = false,
            }
        }
        self.right &= !values.is_empty();
        self.draft.set("pcrs", pcrs(&values));
    }

    fn optional_field(&mut self, dice: &mut Dice<'_>, key: &'static str) {
        let length = dice.pick(&[0, 1, 23, 24, 255, 256, 512, 1024, 1025]);
        let value = match dice.below(4) {
            0 => {
                self.draft = self.draft.without(key);
                None
            }
            1 => {
                self.draft.set(key, null());
                None
            }
            2 if dice.one_in(8) => {
                self.draft.set(
                    key,
                    dice.pick(&[text("text"), uint(7), b"\xf7".to_vec(), b"\x5f\xff".to_vec()]),
                );
                self.right = false;
                None
            }
            _ => {
                let value = vec![dice.below(256) as u8; length];
                self.draft.set(key, bytes(&value));
                self.right &= length <= 1024;
                Some(value)
            }
        };
        self.optional.insert(key, value);
    }

    /// The fields as a whole: their order, one too many, one too few, one with a longer head.
    fn fields(&mut self, dice: &mut Dice<'_>) {
        let fields = &mut self.draft.fields;
        for _ in 0..dice.below(3) {
            let (one, other) = (dice.below(fields.len()), dice.below(fields.len()));
            fields.swap(one, other);
        }
        let place = dice.below(fields.len());
        match dice.below(20) {
            0 => {
                let (key, value) = fields[place].clone();
                fields.push((key, value));
                self.right = false;
            }
            1 => {
                let key = dice.pick(&["", "hostile", "nitrotpm_pcrs", "PCRS", "pcrs "]);
                fields.push((key.into(), null()));
                self.right = false;
            }
            2 if !self.optional.contains_key(fields[place].0.as_str()) => {
                fields.remove(place);
                self.right = false;
            }
            3 => {
                // A head of five bytes for a length that never needs so many: all others are shorter.
                let value = &mut fields[place].1;
                let (major, head, argument) = match (value[0] & 0xe0, value[0] & 0x1f) {
                    (_, 22) => return, // null
                    (major, short @ 0..24) => (major, 1, u32::from(short)),
                    (major, 24) => (major, 2, value[1].into()),
                    (major, 25) => (major, 3, u16::from_be_bytes([value[1], value[2]]).into()),
                    _ => return,
                };
                *value = [&[major | 26], &argument.to_be_bytes()[..], &value[head..]].concat();
                self.right = false;
            }
            _ => {}
        }
    }
}
