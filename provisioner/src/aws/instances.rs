//! The instance types that can hold an enclave, and which of them a row gets.
//!
//! An enclave takes whole cores of its host, which keeps one for itself, and leaves it [`PARENT_MIB`] of its memory.
//! Types: <https://docs.aws.amazon.com/enclaves/latest/user/nitro-enclave.html>, of the families with x86 processors, where
//! a core has two vCPUs. Sizes: <https://aws.amazon.com/ec2/instance-types/>.

use contract::Fault;
use contract::request::{EnclaveRequest, Source};

/// The vCPUs of a core.
const CORE: u32 = 2;
/// The memory that stays with the host.
const PARENT_MIB: u64 = 1024;
/// What a row gets that names no type.
const DEFAULT_FAMILY: &str = "m6i";

/// The vCPUs of an `xlarge`. A size of so many `xlarge` is named for them: `4xlarge`.
const XLARGE: u32 = 4;

/// Sizes of a family, in `xlarge`, ascending.
type Sizes = &'static [u32];

const FIFTH: Sizes = &[1, 2, 4, 8, 12, 16, 24];
const FIFTH_COMPUTE: Sizes = &[1, 2, 4, 9, 12, 18, 24];
const SIXTH_INTEL: Sizes = &[1, 2, 4, 8, 12, 16, 24, 32];
const SIXTH_AMD: Sizes = &[1, 2, 4, 8, 12, 16, 24, 32, 48];
const SEVENTH: Sizes = &[1, 2, 4, 8, 12, 16, 24, 48];

/// Families: name, GiB for each vCPU, sizes.
const FAMILIES: [(&str, u64, Sizes); 12] = [
    ("c5", 2, FIFTH_COMPUTE),
    ("c6a", 2, SIXTH_AMD),
    ("c6i", 2, SIXTH_INTEL),
    ("c7i", 2, SEVENTH),
    ("m5", 4, FIFTH),
    ("m6a", 4, SIXTH_AMD),
    ("m6i", 4, SIXTH_INTEL),
    ("m7i", 4, SEVENTH),
    ("r5", 8, FIFTH),
    ("r6a", 8, SIXTH_AMD),
    ("r6i", 8, SIXTH_INTEL),
    ("r7i", 8, SEVENTH),
];

/// The instance type for a row: the one that it names, if the enclave fits into it; the smallest that it fits into, if
/// it names none.
///
/// # Errors
/// The field that asks for what there is not, and the smallest type that fits.
pub fn choose(request: &EnclaveRequest) -> Result<String, Fault> {
    let fields = match request.source {
        Source::Image(_) => ("providerConfig.cpuCount", "providerConfig.instanceType"),
        Source::Eif(_) => ("configuration.cpu_count", "configuration.instance_type"),
    };
    if !request.cpus.is_multiple_of(CORE) {
        let problem = format!(
            "is {}; an enclave takes whole cores, of {CORE} CPUs each: write {}",
            request.cpus,
            request.cpus.saturating_add(1)
        );
        return Err(Fault::new(fields.0, problem));
    }
    let Some(named) = request.instance_type.as_deref() else {
        return smallest(DEFAULT_FAMILY, request)
            .or_else(|| smallest("r6a", request))
            .ok_or_else(|| Fault::new(fields.0, none_holds(request)));
    };
    let family = named.split('.').next().unwrap_or_default();
    if holds(named, request) {
        return Ok(named.to_owned());
    }
    let problem = match (family_of(family), smallest(family, request)) {
        (None, _) => {
            let names: Vec<_> = FAMILIES.iter().map(|(name, ..)| *name).collect();
            format!(
                "is {named}; enclaves run on the families {}, from xlarge up",
                names.join(", ")
            )
        }
        (Some(_), Some(fitting)) => format!(
            "is {named}, which cannot hold {} CPUs and {} MiB beside its own {CORE} and {PARENT_MIB}: write {fitting}",
            request.cpus, request.memory_mib
        ),
        (Some(_), None) => none_holds(request),
    };
    Err(Fault::new(fields.1, problem))
}

fn none_holds(request: &EnclaveRequest) -> String {
    format!(
        "no instance of this family holds {} CPUs and {} MiB beside its own {CORE} and {PARENT_MIB}: ask for less, or \
         name one of a family with more memory",
        request.cpus, request.memory_mib
    )
}

fn family_of(name: &str) -> Option<(u64, Sizes)> {
    FAMILIES
        .iter()
        .find(|(family, ..)| *family == name)
        .map(|(_, gib, sizes)| (*gib, *sizes))
}

fn holds(instance_type: &str, request: &EnclaveRequest) -> bool {
    let family = instance_type.split('.').next().unwrap_or_default();
    family_of(family).is_some_and(|(gib, sizes)| {
        sizes
            .iter()
            .any(|size| type_of(family, *size) == instance_type && fits(*size, gib, request))
    })
}

fn smallest(family: &str, request: &EnclaveRequest) -> Option<String> {
    let (gib, sizes) = family_of(family)?;
    let fitting = sizes.iter().find(|size| fits(**size, gib, request));
    fitting.map(|size| type_of(family, *size))
}

fn type_of(family: &str, size: u32) -> String {
    match size {
        1 => format!("{family}.xlarge"),
        _ => format!("{family}.{size}xlarge"),
    }
}

fn fits(size: u32, gib: u64, request: &EnclaveRequest) -> bool {
    let cpus = size * XLARGE;
    let memory_mib = u64::from(cpus) * gib * 1024;
    request.cpus <= cpus - CORE && request.memory_mib <= memory_mib - PARENT_MIB
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(instance_type: &str, cpus: u32, memory_mib: u64) -> Result<String, Fault> {
        let row = format!(
            r#"{{"id": "a", "status": "PENDING_DEPLOY", "configuration": {{"instance_type": "{instance_type}",
                "cpu_count": {cpus}, "memory_mib": {memory_mib}, "eif_path": "s3://b/a.eif"}}}}"#
        );
        let item = contract::item::read(&row).unwrap();
        choose(&EnclaveRequest::read(&item, "us-west-2").unwrap())
    }

    #[test]
    fn the_named_type_is_taken_if_the_enclave_fits_beside_its_host() {
        assert_eq!(chosen("m6i.xlarge", 2, 15 * 1024).as_deref(), Ok("m6i.xlarge"));
        assert_eq!(chosen("c5.9xlarge", 34, 1024).as_deref(), Ok("c5.9xlarge"));
        assert_eq!(chosen("", 2, 1024).as_deref(), Ok("m6i.xlarge"));
        assert_eq!(chosen("", 126, 1024).as_deref(), Ok("m6i.32xlarge"));
        assert_eq!(chosen("", 2, 600 * 1024).as_deref(), Ok("r6a.24xlarge"));
    }

    #[test]
    fn what_does_not_fit_names_the_smallest_that_does() {
        for (named, cpus, memory, field, mend) in [
            ("m5.large", 2, 1024, "instance_type", "write m5.xlarge"),
            ("m6i.xlarge", 4, 1024, "instance_type", "write m6i.2xlarge"),
            (
                "m6i.xlarge",
                2,
                15 * 1024 + 1,
                "instance_type",
                "write m6i.2xlarge",
            ),
            ("c6i.3xlarge", 2, 1024, "instance_type", "write c6i.xlarge"),
            ("t3.xlarge", 2, 1024, "instance_type", "c5, c6a"),
            ("c5.24xlarge", 94, 512 * 1024, "instance_type", "ask for less"),
            ("m6i.xlarge", 3, 1024, "cpu_count", "write 4"),
            ("", 512, 1024, "cpu_count", "ask for less"),
        ] {
            let fault = chosen(named, cpus, memory).unwrap_err();
            assert!(fault.field.ends_with(field), "{named}: {fault}");
            assert!(fault.problem.contains(mend), "{named}: {fault}");
        }
    }
}
