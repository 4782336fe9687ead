//! QEMU.

/// The shape of the machine that a kernel expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// Devices on the command line and ACPI off, as Nitro does: the project's own kernel.
    Cmdline,
    /// Devices described by ACPI: Debian's kernel.
    Acpi,
}

/// What runs the guest's instructions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acceleration {
    /// The processor itself, through KVM.
    Kvm,
    /// QEMU's translator.
    Tcg {
        /// Why not KVM.
        reason: String,
    },
}
