//! QEMU as a child of this process: started with sockets and files in memory only, watched over QMP, ended
//! with its owner.

mod acceleration;
mod arguments;
mod process;
mod qmp;

pub use acceleration::Acceleration;
pub use arguments::Guest;
pub use process::{Ended, Qemu};

/// The program.
pub(crate) const PROGRAM: &str = "qemu-system-x86_64";
