//! A development enclave on a machine without Nitro hardware: QEMU, its vsock device, the development NSM behind it.
