//! The last steps of becoming the application's program.

use super::capabilities;
use super::plan::{Outcome, Plan};
use crate::sys;
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, chdir, execve, fchown, setgid, setgroups, setsid, setuid};
use std::ffi::CString;
use std::io;
use std::path::Path;

/// Open files, soft and hard: what systemd and Docker give.
const OPEN_FILES: (u64, u64) = (1024, 524_288);

/// Turns this process into the program. Returns only if that fails, and says why.
pub(super) fn execute(plan: &Plan) -> Outcome {
    match prepare(plan) {
        Ok(()) => run(plan),
        Err(error) => Outcome::NotStarted {
            code: 126,
            reason: error.to_string(),
        },
    }
}

#[derive(Debug, thiserror::Error)]
#[error("cannot {step}: {source}")]
struct PrepareError {
    step: String,
    source: io::Error,
}

/// A fresh session, the image's directory and user, and no more capabilities than granted.
fn prepare(plan: &Plan) -> Result<(), PrepareError> {
    fn step<E: Into<io::Error>>(step: impl Into<String>) -> impl FnOnce(E) -> PrepareError {
        move |source| PrepareError {
            step: step.into(),
            source: source.into(),
        }
    }
    let (uid, gid) = (Uid::from_raw(plan.uid), Gid::from_raw(plan.gid));
    let groups: Vec<Gid> = plan.groups.iter().copied().map(Gid::from_raw).collect();
    setsid().map_err(step("begin a session"))?;
    umask(Mode::from_bits_truncate(0o022));
    limit_open_files().map_err(step("set the limit of open files"))?;
    chdir(plan.working_dir.as_str())
        .map_err(step(format!("enter the working directory {}", plan.working_dir)))?;
    // A program that is not root opens /dev/stdout too.
    fchown(io::stdout(), Some(uid), Some(gid)).map_err(step("hand over the output"))?;
    capabilities::bound().map_err(step("bound its capabilities"))?;
    setgroups(&groups).map_err(step("set its groups"))?;
    setgid(gid).map_err(step(format!("become the group {gid}")))?;
    setuid(uid).map_err(step(format!("become the user {uid}")))?;
    capabilities::take(plan.uid).map_err(step("set its capabilities"))?;
    sys::default_signals();
    Ok(())
}

/// Where this process may not raise its hard limit (outside an enclave), that stays.
fn limit_open_files() -> nix::Result<()> {
    let (soft, hard) = OPEN_FILES;
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).or_else(|_| {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
        setrlimit(Resource::RLIMIT_NOFILE, soft.min(hard), hard)
    })
}

/// execve of the first of the candidates that there is.
fn run(plan: &Plan) -> Outcome {
    let program = plan.arguments.first().map(String::as_str).unwrap_or_default();
    let arguments = strings(plan.arguments.iter().cloned());
    let environment = strings(
        plan.environment
            .iter()
            .map(|(name, value)| format!("{name}={value}")),
    );
    let mut failure = Errno::ENOENT;
    for candidate in candidates(program, plan.environment.get("PATH").map_or("", String::as_str)) {
        let Ok(path) = CString::new(candidate.as_str()) else {
            continue;
        };
        let errno = match execve(&path, &arguments, &environment) {
            Ok(never) => match never {},
            Err(errno) => errno,
        };
        match errno {
            Errno::ENOENT | Errno::ENOTDIR if !Path::new(&candidate).exists() => {}
            Errno::EACCES => failure = errno,
            errno => return refusal(&candidate, errno, true),
        }
    }
    refusal(program, failure, false)
}

/// The paths that `program` may mean: itself if it has a slash, otherwise one in each directory of `search`.
fn candidates(program: &str, search: &str) -> Vec<String> {
    if program.contains('/') {
        return vec![program.to_owned()];
    }
    let directories = search
        .split(':')
        .map(|directory| if directory.is_empty() { "." } else { directory });
    directories
        .map(|directory| format!("{directory}/{program}"))
        .collect()
}

/// Why `program` does not run; `found`: there is such a file.
fn refusal(program: &str, errno: Errno, found: bool) -> Outcome {
    let (code, reason) = match errno {
        Errno::ENOENT if found => (
            127,
            format!("{program} is there, but not the interpreter that it names"),
        ),
        Errno::ENOENT if program.contains('/') => (127, format!("the image has no {program}")),
        Errno::ENOENT => (127, format!("the image has no {program} in its PATH")),
        Errno::EACCES => (126, format!("{program} is not executable for the image's user")),
        Errno::ENOEXEC => (
            126,
            format!(
                "{program} is no program: is the image for linux/amd64, does a script name its interpreter?"
            ),
        ),
        other => (126, format!("{program}: {}", other.desc())),
    };
    Outcome::NotStarted { code, reason }
}

/// For execve; what holds NUL was refused where it came in.
fn strings(texts: impl Iterator<Item = String>) -> Vec<CString> {
    texts.filter_map(|text| CString::new(text).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_without_a_slash_is_searched_for() {
        assert_eq!(
            candidates("nginx", "/usr/bin::/bin"),
            ["/usr/bin/nginx", "./nginx", "/bin/nginx"]
        );
        assert_eq!(candidates("./run", "/bin"), ["./run"]);
        assert_eq!(candidates("/init", "/bin"), ["/init"]);
    }
}
