//! The development NSM of one enclave, behind its vsock port.

use crate::boot::BootImage;
use crate::vsock::{Dial, Dialled};
use contract::ports;
use nsm::development::Module;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;

/// Answers the first connection of a boot to the NSM's port, and no other: the agent takes it as process 1,
/// before an application could speak to the module behind its back.
pub(crate) struct SecureModule {
    module: Option<Module>,
    image: Option<Arc<BootImage>>,
}

impl SecureModule {
    pub(crate) fn new(module: Module, image: Arc<BootImage>) -> SecureModule {
        SecureModule {
            module: Some(module),
            image: Some(image),
        }
    }
}

impl Dial for SecureModule {
    fn dial(&mut self, guest_cid: u32, port: u32) -> Dialled {
        // A guest that dials has unpacked its ramdisks.
        if let Some(image) = self.image.take() {
            image.initrd.free();
        }
        if port != ports::NSM {
            return Dialled::Elsewhere;
        }
        let Some(module) = self.module.take() else {
            return Dialled::Refused;
        };
        serve(guest_cid, module).unwrap_or(Dialled::Refused)
    }
}

fn serve(guest_cid: u32, mut module: Module) -> std::io::Result<Dialled> {
    let (guest, mut host) = UnixStream::pair()?;
    thread::Builder::new()
        .name(format!("nsm-{guest_cid}"))
        .spawn(move || {
            // It ends with the guest's end of the connection, so it needs no time limit.
            if let Err(error) = nsm::serve(&mut host, &mut module) {
                tracing::warn!(guest_cid, %error, "the development NSM ended");
            }
        })?;
    Ok(Dialled::Connected(guest))
}
