//! The command line of QEMU, and what is added to the kernel's.

use super::Acceleration;
use crate::Error;
use eif_build::bundle::Machine;
use std::thread;
use std::time::{Duration, Instant};

/// A guest, as QEMU is told of it.
#[derive(Clone, Debug)]
pub struct Guest {
    /// The machine that the kernel expects.
    pub machine: Machine,
    /// What runs its instructions.
    pub acceleration: Acceleration,
    /// Its memory.
    pub memory_mib: u32,
    /// Its CPUs.
    pub cpus: u32,
    /// The kernel's command line as it was measured.
    pub cmdline: String,
}

/// What QEMU gets by file descriptor: their numbers in the child.
pub(super) struct Descriptors {
    pub vsock: i32,
    pub qmp: i32,
    pub kernel: i32,
    pub initrd: i32,
}

impl Guest {
    /// QEMU's arguments, with the processor that [`Guest::cpu`] says.
    pub(super) fn arguments(&self, cpu: &str, descriptors: &Descriptors) -> Vec<String> {
        let Guest { memory_mib, cpus, .. } = self;
        let Descriptors {
            vsock,
            qmp,
            kernel,
            initrd,
        } = descriptors;
        let arguments = [
            ("-nodefaults", None),
            ("-no-user-config", None),
            ("-no-reboot", None),
            (
                "-sandbox",
                Some("on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny".into()),
            ),
            ("-display", Some("none".into())),
            ("-serial", Some("stdio".into())),
            ("-chardev", Some(format!("socket,id=qmp,fd={qmp}"))),
            ("-mon", Some("chardev=qmp,mode=control".into())),
            ("-machine", Some(self.machine().into())),
            ("-accel", Some(self.accelerator().into())),
            ("-cpu", Some(cpu.into())),
            ("-smp", Some(cpus.to_string())),
            ("-m", Some(format!("{memory_mib}M"))),
            // The vsock device reads and writes the guest's memory, so it is shared.
            (
                "-object",
                Some(format!(
                    "memory-backend-memfd,id=memory,size={memory_mib}M,share=on"
                )),
            ),
            ("-chardev", Some(format!("socket,id=vsock,fd={vsock}"))),
            ("-device", Some("vhost-user-vsock-device,chardev=vsock".into())),
            ("-kernel", Some(format!("/proc/self/fd/{kernel}"))),
            ("-initrd", Some(format!("/proc/self/fd/{initrd}"))),
            ("-append", Some(self.cmdline())),
        ];
        arguments
            .into_iter()
            .flat_map(|(name, value)| [Some(name.to_owned()), value])
            .flatten()
            .collect()
    }

    /// Without ACPI QEMU puts the devices on the kernel's command line, as Nitro does, and the guest needs
    /// the old timer; with it the old timer makes some boots fail.
    fn machine(&self) -> &'static str {
        match self.machine {
            Machine::Cmdline => "microvm,acpi=off,pit=on,pic=on,memory-backend=memory",
            Machine::Acpi => "microvm,acpi=on,pit=off,pic=off,memory-backend=memory",
        }
    }

    fn accelerator(&self) -> &'static str {
        match self.acceleration {
            Acceleration::Kvm => "kvm",
            Acceleration::Tcg { .. } => "tcg,thread=multi",
        }
    }

    /// The processor. QEMU before 8 translates cmpxchg16b such that Debian's 6.12 crashes in about half of its boots;
    /// the major version is asked for only where it matters, as the asking takes 0.1 s.
    pub(super) fn cpu(&self, version: impl FnOnce() -> Result<u32, Error>) -> Result<&'static str, Error> {
        Ok(match (&self.acceleration, self.machine) {
            (Acceleration::Kvm, _) => "host",
            (Acceleration::Tcg { .. }, Machine::Acpi) if version()? < 8 => "max,-cx16",
            (Acceleration::Tcg { .. }, _) => "max",
        })
    }

    /// The measured command line, and behind it what emulation needs. That is not measured: on Nitro it would
    /// not be there.
    fn cmdline(&self) -> String {
        // `-no-reboot` makes QEMU end when the guest resets, and a triple fault is a reset on every machine.
        let mut cmdline = format!(
            "{} console=ttyS0 reboot=t panic=-1 random.trust_cpu=on",
            self.cmdline
        );
        if matches!(self.acceleration, Acceleration::Tcg { .. }) {
            // Mitigations cost much when translated, and protect nobody there. And where many wait for the processors the old
            // timer may tick too late for the kernel, which then panics; under KVM it does not look.
            cmdline.push_str(" mitigations=off no_timer_check");
        }
        if self.machine == Machine::Acpi {
            // Without the old timer the kernel has nothing to measure its clock against, and hangs.
            cmdline.push_str(&format!(" cryptomgr.notests tsc_early_khz={}", tsc_khz()));
        }
        cmdline
    }
}

/// The frequency of this processor's time-stamp counter, which is also the guest's, in kHz.
fn tsc_khz() -> u64 {
    let begin = (time_stamp(), Instant::now());
    thread::sleep(Duration::from_millis(20));
    let ticks = u128::from(time_stamp().wrapping_sub(begin.0));
    let khz = ticks * 1_000_000 / begin.1.elapsed().as_nanos().max(1);
    u64::try_from(khz).unwrap_or(u64::MAX)
}

fn time_stamp() -> u64 {
    // SAFETY: every x86_64 processor has the counter, and Linux lets programs read it.
    unsafe { std::arch::x86_64::_rdtsc() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(machine: Machine, acceleration: Acceleration) -> Guest {
        Guest {
            machine,
            acceleration,
            memory_mib: 256,
            cpus: 2,
            cmdline: "quiet".into(),
        }
    }

    fn arguments(guest: &Guest, version: u32) -> String {
        guest
            .arguments(
                guest.cpu(|| Ok(version)).unwrap(),
                &Descriptors {
                    vsock: 3,
                    qmp: 4,
                    kernel: 5,
                    initrd: 6,
                },
            )
            .join(" ")
    }

    #[test]
    fn each_machine_has_its_own_tricks() {
        let tcg = Acceleration::Tcg {
            reason: String::new(),
        };
        let cmdline = arguments(&guest(Machine::Cmdline, tcg.clone()), 7);
        assert!(cmdline.contains("acpi=off,pit=on,pic=on") && cmdline.contains("-cpu max -"));
        assert!(!cmdline.contains("tsc_early_khz") && cmdline.contains("mitigations=off no_timer_check"));
        let acpi = arguments(&guest(Machine::Acpi, tcg.clone()), 7);
        assert!(
            acpi.contains("acpi=on,pit=off,pic=off")
                && acpi.contains("-cpu max,-cx16")
                && acpi.contains("tsc_early_khz")
        );
        assert!(arguments(&guest(Machine::Acpi, tcg), 8).contains("-cpu max -"));
    }

    #[test]
    fn under_kvm_mitigations_stay() {
        let kvm = arguments(&guest(Machine::Cmdline, Acceleration::Kvm), 7);
        assert!(kvm.contains("-accel kvm -cpu host"));
        assert!(!kvm.contains("mitigations") && !kvm.contains("no_timer_check"));
    }
}
