use super::*;
use proptest::prelude::*;

/// Answers with the request's bytes, doubled.
struct Echo;

impl Nsm for Echo {
    fn process(&mut self, request: &[u8]) -> Result<Vec<u8>, nsm::Error> {
        Ok([request, request].concat())
    }
}

fn message(opcode: u32, body: &[u8]) -> Vec<u8> {
    let mut message = vec![0; HEAD];
    message[4..8].copy_from_slice(&opcode.to_le_bytes());
    message[8..16].copy_from_slice(&7_u64.to_le_bytes());
    message.extend(body);
    message
}

/// An ioctl with what the kernel fetched: `data` in, room for `out_size`.
fn ioctl_message(command: u32, flags: u32, data: &[u8], out_size: u32) -> Vec<u8> {
    let mut body = vec![0; 8];
    body.extend(flags.to_le_bytes());
    body.extend(command.to_le_bytes());
    body.extend(0x1000_u64.to_le_bytes());
    body.extend((data.len() as u32).to_le_bytes());
    body.extend(out_size.to_le_bytes());
    body.extend(data);
    message(FUSE_IOCTL, &body)
}

fn vectors(request: u64, response: u64) -> Vec<u8> {
    [0x2000, request, 0x3000, response]
        .iter()
        .flat_map(|field: &u64| field.to_le_bytes())
        .collect()
}

/// The error number and the body of an answer, whose head must be right.
fn answered(message: &[u8]) -> (i32, Vec<u8>) {
    let answer = answer(message, &mut Echo).unwrap();
    assert_eq!(u32_at(&answer, 0), Some(answer.len() as u32));
    assert_eq!(u64_at(&answer, 8), Some(7));
    (u32_at(&answer, 4).unwrap() as i32, answer[16..].to_vec())
}

/// `fuse_ioctl_out`'s flags and counts, and the vectors that are asked for.
fn asked(body: &[u8]) -> (u32, u32, u32, Vec<u64>) {
    let words = body[16..]
        .chunks(8)
        .map(|word| u64::from_le_bytes(word.try_into().unwrap()))
        .collect();
    (
        u32_at(body, 4).unwrap(),
        u32_at(body, 8).unwrap(),
        u32_at(body, 12).unwrap(),
        words,
    )
}

#[test]
fn an_ioctl_takes_three_passes() {
    let (error, first) = answered(&ioctl_message(NSM_IOCTL, IOCTL_UNRESTRICTED, &[], 0));
    assert_eq!((error, asked(&first)), (0, (IOCTL_RETRY, 1, 0, vec![0x1000, 32])));

    let (error, second) = answered(&ioctl_message(
        NSM_IOCTL,
        IOCTL_UNRESTRICTED,
        &vectors(3, 0x9000),
        0,
    ));
    let wanted = vec![0x1000, 32, 0x2000, 3, 0x1000, 32, 0x3000, RESPONSE_LIMIT as u64];
    assert_eq!((error, asked(&second)), (0, (IOCTL_RETRY, 2, 2, wanted)));

    let data = [&vectors(3, 0x9000)[..], b"abc"].concat();
    let (error, third) = answered(&ioctl_message(NSM_IOCTL, IOCTL_UNRESTRICTED, &data, 32 + 0x3000));
    assert_eq!(error, 0);
    assert_eq!(u32_at(&third, 4), Some(0), "no further pass");
    assert_eq!(&third[16..40], &vectors(3, 0x9000)[..24]);
    assert_eq!(u64_at(&third, 40), Some(6), "the response's true length");
    assert_eq!(&third[48..], b"abcabc");
}

#[test]
fn what_a_hostile_caller_asks_gets_an_error() {
    let third = |data: &[u8], out| answered(&ioctl_message(NSM_IOCTL, IOCTL_UNRESTRICTED, data, out)).0;
    assert_eq!(
        answered(&ioctl_message(1, IOCTL_UNRESTRICTED, &[], 0)).0,
        -libc::ENOTTY
    );
    assert_eq!(answered(&ioctl_message(NSM_IOCTL, 0, &[], 0)).0, -libc::ENOTTY);
    assert_eq!(third(&vectors(REQUEST_LIMIT as u64 + 1, 9), 0), -libc::EMSGSIZE);
    assert_eq!(third(&vectors(u64::MAX, u64::MAX), 0), -libc::EMSGSIZE);
    let changed = [&vectors(4, 99)[..], b"abc"].concat();
    assert_eq!(
        third(&changed, 64),
        -libc::EINVAL,
        "vectors changed between the passes"
    );
    let small = [&vectors(3, 5)[..], b"abc"].concat();
    assert_eq!(third(&small, 32 + 5), -libc::EINVAL, "no room for the response");
    assert_eq!(third(&small, 3), -libc::EINVAL);
    assert_eq!(answered(&message(FUSE_IOCTL, b"short")).0, -libc::EINVAL);
}

#[test]
fn the_rest_of_the_protocol() {
    let (error, device) = answered(&message(CUSE_INIT, &[0; 16]));
    assert_eq!(error, 0);
    assert_eq!(device.len(), 72 + b"DEVNAME=nsm\0".len());
    assert!(device.ends_with(b"DEVNAME=nsm\0"));
    assert_eq!(answered(&message(FUSE_OPEN, &[])), (0, vec![0; 16]));
    assert_eq!(answered(&message(FUSE_RELEASE, &[])), (0, vec![]));
    assert_eq!(answered(&message(FUSE_FLUSH, &[])), (0, vec![]));
    assert_eq!(answered(&message(9, &[])).0, -libc::ENOSYS);
    assert!(answer(&message(FUSE_INTERRUPT, &[]), &mut Echo).is_none());
    assert!(answer(b"", &mut Echo).is_none());
}

#[test]
fn a_module_that_fails_is_an_input_output_error() {
    struct Dead;
    impl Nsm for Dead {
        fn process(&mut self, _request: &[u8]) -> Result<Vec<u8>, nsm::Error> {
            Err(nsm::Error::Closed)
        }
    }
    let data = [&vectors(3, 99)[..], b"abc"].concat();
    let answer = answer(
        &ioctl_message(NSM_IOCTL, IOCTL_UNRESTRICTED, &data, 131),
        &mut Dead,
    )
    .unwrap();
    assert_eq!(u32_at(&answer, 4), Some(-libc::EIO as u32));
}

proptest! {
    #[test]
    fn any_bytes_are_answered_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = answer(&bytes, &mut Echo);
    }

    #[test]
    fn any_ioctl_is_answered_in_bounds(
        data in proptest::collection::vec(any::<u8>(), 0..100),
        request in 0..200_u64,
        response: u64,
        out_size in 0..300_u32,
    ) {
        let mut data = data;
        if data.len() >= 32 {
            data[..32].copy_from_slice(&vectors(request, response));
        }
        let answer = answer(&ioctl_message(NSM_IOCTL, IOCTL_UNRESTRICTED, &data, out_size), &mut Echo).unwrap();
        let last = u32_at(&answer, 4) == Some(0) && u32_at(&answer, 20) == Some(0);
        prop_assert!(!last || answer.len() - 32 <= out_size as usize);
    }
}
