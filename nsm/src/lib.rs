//! The Nitro Secure Module: one trait; the device, the remote one over vsock, the development one.
