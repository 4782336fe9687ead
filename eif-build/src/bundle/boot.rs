//! The boot ramdisk: the agent as /init, the first files that it needs, and the kernel's modules in load order.
use std::path::{Path, PathBuf};

use super::{Error, MAX_PART, read};
use crate::cpio::{self, Entry, file_type};

/// What goes into a boot ramdisk.
#[derive(Debug, Clone, Default)]
pub struct BootRamdisk {
    agent: Vec<u8>,
    /// Name without a number, and content.
    modules: Vec<(String, Vec<u8>)>,
}

impl BootRamdisk {
    /// Reads the agent (a static program) and the modules (plain .ko files, in the order in which they are loaded).
    pub fn read(agent: &Path, modules: &[PathBuf]) -> Result<Self, Error> {
        let agent = read(agent, MAX_PART)?;
        let modules = modules
            .iter()
            .map(|path| module(path))
            .collect::<Result<_, _>>()?;
        Ok(Self { agent, modules })
    }

    /// The archive: `/init`, `/dev/console`, mount points, `/treza/modules/NN-name.ko`. The same files give the same
    /// bytes.
    pub fn to_cpio(&self) -> std::io::Result<Vec<u8>> {
        let mut archive = Archive {
            writer: cpio::Writer::new(Vec::new()),
            inode: 0,
        };
        archive.directory("dev", 0o755)?;
        archive.add(
            Entry {
                device: (5, 1),
                ..Entry::new("dev/console", file_type::CHARACTER_DEVICE | 0o600, 0)
            },
            &[],
        )?;
        archive.file("init", 0o755, &self.agent)?;
        archive.directory("proc", 0o755)?;
        archive.directory("sys", 0o755)?;
        archive.directory("tmp", 0o1777)?;
        archive.directory("treza", 0o755)?;
        archive.directory("treza/modules", 0o755)?;
        for (number, (name, content)) in self.modules.iter().enumerate() {
            archive.file(&format!("treza/modules/{number:02}-{name}"), 0o644, content)?;
        }
        archive.writer.finish()
    }
}

fn module(path: &Path) -> Result<(String, Vec<u8>), Error> {
    let refuse = |problem: &str| Error::Manifest {
        path: path.into(),
        problem: problem.into(),
    };
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .filter(|name| name.ends_with(".ko"));
    let name = name.ok_or_else(|| refuse("a module's name ends in .ko; decompress .ko.xz first"))?;
    let content = read(path, MAX_PART)?;
    if !content.starts_with(b"\x7fELF") {
        return Err(refuse("not a kernel module (ELF)"));
    }
    Ok((name.to_owned(), content))
}

struct Archive {
    writer: cpio::Writer<Vec<u8>>,
    inode: u32,
}

impl Archive {
    fn directory(&mut self, path: &str, permissions: u32) -> std::io::Result<()> {
        self.add(Entry::new(path, file_type::DIRECTORY | permissions, 0), &[])
    }

    fn file(&mut self, path: &str, permissions: u32, content: &[u8]) -> std::io::Result<()> {
        self.add(Entry::new(path, file_type::REGULAR | permissions, 0), content)
    }

    fn add(&mut self, entry: Entry, content: &[u8]) -> std::io::Result<()> {
        self.inode += 1;
        let size = u32::try_from(content.len()).map_err(std::io::Error::other)?;
        self.writer.entry(
            &Entry {
                inode: self.inode,
                size,
                ..entry
            },
            content,
        )
    }
}
