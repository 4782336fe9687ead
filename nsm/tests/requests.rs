//! The development NSM under requests of every kind, directly and over a stream.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::BTreeSet;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::thread;

use common::{MODULE_ID, module};
use nsm::{
    AttestationFields, Digest, Error, ErrorCode, Nsm, RESPONSE_LIMIT, Remote, Request, Response, serve,
};
use proptest::prelude::*;

fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    match result.unwrap_err() {
        Error::Refused { code, .. } => format!("{code:?}"),
        other => panic!("not a refusal: {other}"),
    }
}

#[test]
fn the_module_describes_itself_as_a_nitro_one_does() {
    let description = module(false).describe_nsm().unwrap();
    assert_eq!(description.version, (1, 0, 0));
    assert_eq!(description.module_id, MODULE_ID);
    assert_eq!(description.max_pcrs, 32);
    assert_eq!(description.locked_pcrs, (0..16).collect::<BTreeSet<_>>());
    assert_eq!(description.digest, Digest::SHA384);
}

#[test]
fn random_bytes_come_256_at_once_and_differ() {
    let mut module = module(false);
    let random = module.get_random().unwrap();
    assert_eq!(random.len(), 256);
    assert_ne!(random, module.get_random().unwrap());
}

#[test]
fn refusals_have_the_codes_of_the_api() {
    let mut module = module(false);
    assert_eq!(refusal(module.extend_pcr(15, b"x")), "ReadOnlyIndex");
    assert_eq!(refusal(module.lock_pcr(0)), "ReadOnlyIndex");
    assert_eq!(refusal(module.describe_pcr(32)), "InvalidIndex");
    assert_eq!(refusal(module.extend_pcr(32, b"x")), "InvalidIndex");
    assert_eq!(refusal(module.lock_pcrs(33)), "InvalidIndex");
    let answer = |module: &mut dyn Nsm, request: &[u8]| {
        let response = module.process(request).unwrap();
        format!("{:?}", serde_cbor::from_slice::<Response>(&response).unwrap())
    };
    assert_eq!(answer(&mut module, b""), "Error(InvalidOperation)");
    assert_eq!(answer(&mut module, b"\x6bNoOperation"), "Error(InvalidOperation)");
    assert_eq!(answer(&mut module, &[0; 4097]), "Error(InputTooLarge)");
}

#[test]
fn each_field_of_a_document_is_bounded() {
    let mut module = module(false);
    let full = || Some(vec![1; 1024]);
    let all = AttestationFields {
        user_data: full(),
        nonce: full(),
        public_key: full(),
    };
    module.lock_pcrs(32).unwrap();
    let document = module.attestation(all.clone()).unwrap();
    assert!(document.len() < RESPONSE_LIMIT);
    let long = || Some(vec![1; 1025]);
    for fields in [
        AttestationFields {
            user_data: long(),
            ..Default::default()
        },
        AttestationFields {
            nonce: long(),
            ..Default::default()
        },
        AttestationFields {
            public_key: long(),
            ..Default::default()
        },
    ] {
        assert_eq!(refusal(module.attestation(fields)), "InputTooLarge");
    }
}

#[test]
fn several_streams_share_one_module() {
    let shared = Arc::new(Mutex::new(module(false)));
    let remotes: Vec<_> = (0..4)
        .map(|_| {
            let (near, mut far) = UnixStream::pair().unwrap();
            let mut nsm = shared.clone();
            (
                Remote::new(near),
                thread::spawn(move || serve(&mut far, &mut nsm)),
            )
        })
        .collect();
    let mut servers = Vec::new();
    for (index, (mut remote, server)) in (16..).zip(remotes) {
        let value = remote.extend_pcr(index, b"data").unwrap();
        assert_eq!(shared.lock().unwrap().describe_pcr(index).unwrap().value, value);
        assert!(remote.attestation(AttestationFields::default()).unwrap().len() > 1000);
        assert!(matches!(
            remote.extend_pcr(0, b"data"),
            Err(Error::Refused {
                code: ErrorCode::ReadOnlyIndex,
                ..
            })
        ));
        servers.push(server);
    }
    for server in servers {
        server.join().unwrap().unwrap();
    }
}

fn requests() -> impl Strategy<Value = Request> {
    let bytes = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..1200));
    prop_oneof![
        any::<u16>().prop_map(|index| Request::DescribePCR { index }),
        (0..40_u16, proptest::collection::vec(any::<u8>(), 0..64))
            .prop_map(|(index, data)| Request::ExtendPCR { index, data }),
        (0..40_u16).prop_map(|index| Request::LockPCR { index }),
        (0..40_u16).prop_map(|range| Request::LockPCRs { range }),
        Just(()).prop_map(|()| Request::DescribeNSM),
        Just(()).prop_map(|()| Request::GetRandom),
        (bytes(), bytes(), bytes()).prop_map(|(user_data, nonce, public_key)| Request::Attestation {
            user_data: user_data.map(Into::into),
            nonce: nonce.map(Into::into),
            public_key: public_key.map(Into::into),
        }),
    ]
}

/// Any bytes, and well-formed requests with a few bytes changed or the end cut off.
fn request_bytes() -> impl Strategy<Value = Vec<u8>> {
    let damaged = (
        requests(),
        proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        any::<prop::sample::Index>(),
        any::<bool>(),
    )
        .prop_map(|(request, changes, end, cut)| {
            let mut bytes = serde_cbor::to_vec(&request).unwrap();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if cut {
                bytes.truncate(end.index(bytes.len()));
            }
            bytes
        });
    prop_oneof![damaged, proptest::collection::vec(any::<u8>(), 0..5000)]
}

proptest! {
    #[test]
    fn any_request_has_a_well_formed_answer(requests in proptest::collection::vec(request_bytes(), 1..20)) {
        let mut module = module(false);
        for request in requests {
            let response = module.process(&request).unwrap();
            prop_assert!(response.len() <= RESPONSE_LIMIT);
            serde_cbor::from_slice::<Response>(&response).unwrap();
        }
    }

    #[test]
    fn no_request_changes_a_locked_register(requests in proptest::collection::vec(requests(), 1..20)) {
        let mut module = module(false);
        let mut locked = std::collections::BTreeMap::new();
        for request in requests {
            module.process(&serde_cbor::to_vec(&request).unwrap()).unwrap();
            for index in 0..32 {
                let pcr = module.describe_pcr(index).unwrap();
                if pcr.locked {
                    prop_assert_eq!(*locked.entry(index).or_insert(pcr.value), pcr.value);
                } else {
                    prop_assert!(!locked.contains_key(&index), "unlocked again");
                }
            }
        }
    }
}
