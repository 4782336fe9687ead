//! `/dev/nsm` made in user space (CUSE) from another secure module, so that unmodified programs that use
//! aws-nitro-enclaves-nsm-api work in an emulated enclave.
//!
//! The protocol is the kernel's: include/uapi/linux/fuse.h. The kernel is no enemy, but what programs put into their
//! ioctls is: requests are bounded to what Amazon's driver (drivers/misc/nsm.c) takes. An ioctl comes in three
//! passes, because the addresses of request and response are themselves in the caller's memory:
//! the first asks for the two vectors, the second for the request that they point to and for room for the response,
//! the third has everything and is answered. Nothing is kept between passes, so any number of callers may mix.

use nsm::{Nsm, REQUEST_LIMIT, RESPONSE_LIMIT};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// The device through which the kernel lets a program be a driver.
pub(crate) const CONTROL: &str = "/dev/cuse";
/// More than the longest message: head, ioctl, the two vectors and a request, or the least that the kernel allows.
const MESSAGE: usize = 16 * 1024;
/// How long the kernel may take to ask the new driver for its name.
const PATIENCE: Duration = Duration::from_secs(10);

/// `struct fuse_in_header`
const HEAD: usize = 40;
/// `struct fuse_ioctl_in`
const IOCTL_IN: usize = 32;
/// `struct nsm_raw`: two `struct iovec`, request and response
const VECTORS: usize = 32;
/// `_IOWR(0x0A, 0, struct nsm_raw)`
const NSM_IOCTL: u32 = (3 << 30) | ((VECTORS as u32) << 16) | (0x0a << 8);
/// The caller's memory may be anywhere: of the device's flags, and of the ioctl's, and the answer "ask again".
const CUSE_UNRESTRICTED_IOCTL: u32 = 1;
const IOCTL_UNRESTRICTED: u32 = 2;
const IOCTL_RETRY: u32 = 4;

const CUSE_INIT: u32 = 4096;
const FUSE_OPEN: u32 = 14;
const FUSE_RELEASE: u32 = 18;
const FUSE_FLUSH: u32 = 25;
const FUSE_INTERRUPT: u32 = 36;
const FUSE_IOCTL: u32 = 39;

/// Why there is no such device.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel's side.
    #[error("{CONTROL}: {0}")]
    Control(#[from] io::Error),
    /// The kernel never asked for the device's name.
    #[error("{CONTROL}: the kernel did not take up the device within {} seconds", PATIENCE.as_secs())]
    Silent,
}

/// Makes `/dev/nsm` and serves it from `nsm` on a thread of its own. It is there when this returns.
pub(crate) fn serve_device(nsm: Box<dyn Nsm>) -> Result<(), Error> {
    let control = OpenOptions::new().read(true).write(true).open(CONTROL)?;
    let (made, is_made) = mpsc::channel();
    let work = move || {
        if let Err(error) = serve(control, nsm, &made) {
            crate::say!("/dev/nsm has ended: {error}");
        }
    };
    thread::Builder::new().name("cuse".into()).spawn(work)?;
    is_made.recv_timeout(PATIENCE).map_err(|_| Error::Silent)
}

fn serve(mut control: File, mut nsm: Box<dyn Nsm>, made: &mpsc::Sender<()>) -> io::Result<()> {
    let mut buffer = vec![0; MESSAGE];
    loop {
        let length = match control.read(&mut buffer) {
            Ok(length) => length,
            // A caller that was killed while its request was handed over.
            Err(error)
                if matches!(
                    error.raw_os_error(),
                    Some(libc::EINTR | libc::ENOENT | libc::EAGAIN)
                ) =>
            {
                continue;
            }
            Err(error) => return Err(error),
        };
        let message = buffer.get(..length).unwrap_or_default();
        let Some(answer) = answer(message, nsm.as_mut()) else {
            continue;
        };
        match control.write(&answer) {
            Ok(_) => {}
            // A caller that was killed while it waited.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => continue,
            Err(error) => return Err(error),
        }
        if u32_at(message, 4) == Some(CUSE_INIT) {
            let _ = made.send(());
        }
    }
}

/// The answer to a message of the kernel's; `None` where none is due.
pub fn answer(message: &[u8], nsm: &mut dyn Nsm) -> Option<Vec<u8>> {
    let (opcode, unique) = (u32_at(message, 4)?, u64_at(message, 8)?);
    let outcome = match opcode {
        CUSE_INIT => Ok(device()),
        FUSE_OPEN => Ok(vec![0; 16]),
        FUSE_RELEASE | FUSE_FLUSH => Ok(Vec::new()),
        FUSE_INTERRUPT => return None,
        FUSE_IOCTL => ioctl(message.get(HEAD..)?, nsm),
        _ => Err(libc::ENOSYS),
    };
    let (error, body) = match outcome {
        Ok(body) => (0, body),
        Err(errno) => (-errno, Vec::new()),
    };
    let length = 16 + body.len() as u32;
    Some(
        [
            &length.to_le_bytes()[..],
            &error.to_le_bytes(),
            &unique.to_le_bytes(),
            &body,
        ]
        .concat(),
    )
}

/// `struct cuse_init_out` of protocol 7.31, and the device's name. The device number is the kernel's to choose.
fn device() -> Vec<u8> {
    let fields = [7, 31, 0, CUSE_UNRESTRICTED_IOCTL, 4096, 4096, 0, 0];
    let mut body: Vec<u8> = fields
        .iter()
        .flat_map(|field: &u32| field.to_le_bytes())
        .collect();
    body.extend([0; 40]);
    body.extend(b"DEVNAME=nsm\0");
    body
}

/// One pass of an ioctl: `struct fuse_ioctl_in { fh: u64, flags, cmd: u32, arg: u64, in_size, out_size: u32 }`, then
/// what an earlier pass asked for.
fn ioctl(body: &[u8], nsm: &mut dyn Nsm) -> Result<Vec<u8>, i32> {
    let field = |offset| u32_at(body, offset).ok_or(libc::EINVAL);
    let (flags, command, out_size) = (field(8)?, field(12)?, field(28)? as usize);
    let vectors_at = u64_at(body, 16).ok_or(libc::EINVAL)?;
    let data = body.get(IOCTL_IN..).unwrap_or_default();
    if command != NSM_IOCTL || flags & IOCTL_UNRESTRICTED == 0 {
        return Err(libc::ENOTTY);
    }
    let vectors = (vectors_at, VECTORS as u64);
    let Some(head) = data.get(..VECTORS) else {
        return Ok(ask_again(&[vectors], &[]));
    };
    let vector = |offset| Some((u64_at(head, offset)?, u64_at(head, offset + 8)?));
    let (request, response) = (vector(0).ok_or(libc::EINVAL)?, vector(16).ok_or(libc::EINVAL)?);
    if request.1 > REQUEST_LIMIT as u64 {
        return Err(libc::EMSGSIZE);
    }
    if out_size == 0 {
        let room = (response.0, response.1.min(RESPONSE_LIMIT as u64));
        return Ok(ask_again(&[vectors, request], &[vectors, room]));
    }
    // The caller may have changed the vectors since the second pass: what is here must be what they say now.
    let content = data
        .get(VECTORS..)
        .filter(|content| content.len() as u64 == request.1)
        .ok_or(libc::EINVAL)?;
    let room = out_size.checked_sub(VECTORS).ok_or(libc::EINVAL)?;
    let answer = nsm.process(content).map_err(|_| libc::EIO)?;
    if answer.len() > room {
        return Err(libc::EINVAL);
    }
    // The vectors go back with the response's true length, as the driver does.
    let mut out = ioctl_out(0, 0, 0);
    out.extend(head.get(..24).unwrap_or_default());
    out.extend((answer.len() as u64).to_le_bytes());
    out.extend(answer);
    Ok(out)
}

/// "Call again with these parts of the caller's memory, and with room for those."
fn ask_again(inputs: &[(u64, u64)], outputs: &[(u64, u64)]) -> Vec<u8> {
    let mut out = ioctl_out(IOCTL_RETRY, inputs.len() as u32, outputs.len() as u32);
    for (address, length) in inputs.iter().chain(outputs) {
        out.extend(address.to_le_bytes());
        out.extend(length.to_le_bytes());
    }
    out
}

/// `struct fuse_ioctl_out { result: i32, flags, in_iovs, out_iovs: u32 }`
fn ioctl_out(flags: u32, inputs: u32, outputs: u32) -> Vec<u8> {
    [0, flags, inputs, outputs]
        .iter()
        .flat_map(|field: &u32| field.to_le_bytes())
        .collect()
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(offset..)?.first_chunk().copied()?))
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(offset..)?.first_chunk().copied()?))
}

#[cfg(test)]
mod tests;
