//! The application's ramdisk: `treza/image.json`, then the image's files under `rootfs/`, in the tree's order.
use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufWriter, Seek, Write},
    path::Path,
};

use contract::image::{Format, ImageDescription, PATH, ROOT, Xattr};

use crate::{
    cpio::{self, Entry, file_type},
    error::Error,
    image::Image,
    rootfs::{Extent, Inode, Kind, Tree},
};

/// zstd's own default: most of what there is to gain, at 200 MB/s and more.
const ZSTD_LEVEL: i32 = 3;
/// The label by which an image asks for /dev/nsm.
const NSM_LABEL: &str = "treza.nsm";

/// What the agent is told of an image: its configuration, the user resolved in its files, the extended attributes.
pub fn describe(image: &Image, tree: &Tree) -> Result<ImageDescription, Error> {
    let config = image.config.config.clone().unwrap_or_default();
    let (entrypoint, cmd) = (
        config.entrypoint.clone().unwrap_or_default(),
        config.cmd.clone().unwrap_or_default(),
    );
    if entrypoint.iter().chain(&cmd).next().is_none_or(String::is_empty) {
        return Err(Error::NoEntrypoint);
    }
    let working_dir = config.working_dir.as_deref().unwrap_or_default();
    let xattrs = tree.entries().flat_map(|(path, _, inode)| {
        let path = String::from_utf8_lossy(path);
        inode.xattrs.iter().map(move |(name, value)| Xattr {
            path: path.clone().into_owned(),
            name: name.clone(),
            value: value.clone(),
        })
    });
    Ok(ImageDescription {
        format: Format::V1,
        digest: image.digest.to_string(),
        entrypoint,
        cmd,
        env: config.env.clone().unwrap_or_default(),
        working_dir: format!("/{}", working_dir.trim_start_matches('/')),
        user: tree.resolve_user(config.user.as_deref().unwrap_or_default())?,
        exposed_ports: config.tcp_ports(),
        stop_signal: config
            .stop_signal
            .clone()
            .filter(|signal| !signal.is_empty())
            .unwrap_or("SIGTERM".into()),
        nsm: config
            .labels
            .as_ref()
            .and_then(|labels| labels.get(NSM_LABEL))
            .is_some_and(|value| value == "true"),
        xattrs: xattrs.collect(),
    })
}

/// An application's ramdisk that is ready to be written.
pub struct Ramdisk<'a> {
    tree: &'a Tree,
    description: Vec<u8>,
    /// For each inode, how many paths name it.
    links: Vec<u32>,
}

enum Data<'a> {
    Bytes(&'a [u8]),
    Spooled(Extent),
}

impl<'a> Ramdisk<'a> {
    /// The ramdisk of an image's file system and description.
    pub fn new(tree: &'a Tree, description: &ImageDescription) -> Result<Self, Error> {
        let mut links = vec![0; tree.inode_count()];
        for (_, number, _) in tree.entries() {
            if let Some(count) = links.get_mut(number) {
                *count += 1;
            }
        }
        Ok(Self {
            tree,
            description: description.to_json()?,
            links,
        })
    }

    /// The archive's size in bytes.
    pub fn size(&self) -> u64 {
        cpio::archive_size(self.entries().map(|(entry, _)| entry.archived_size()).sum())
    }

    /// Writes the archive. The same tree gives the same bytes.
    pub fn write(&self, output: impl Write) -> io::Result<()> {
        let mut archive = cpio::Writer::new(output);
        for (entry, data) in self.entries() {
            match data {
                Data::Bytes(bytes) => archive.entry(&entry, bytes)?,
                Data::Spooled(extent) => archive.entry(&entry, self.tree.spool().read(extent))?,
            }
        }
        archive.finish().map(drop)
    }

    /// The archive compressed with zstd, in a temporary file without a name in `folder`, and its size in bytes. The same
    /// tree and version of zstd give the same bytes.
    pub fn compressed_in(&self, folder: &Path) -> io::Result<(File, u64)> {
        let file = BufWriter::with_capacity(1 << 18, tempfile::tempfile_in(folder)?);
        let mut encoder = zstd::Encoder::new(file, ZSTD_LEVEL)?;
        self.write(&mut encoder)?;
        let mut file = encoder
            .finish()?
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        let size = file.stream_position()?;
        file.rewind()?;
        Ok((file, size))
    }

    /// The description stands first, so that it is found without reading the whole.
    fn entries(&self) -> impl Iterator<Item = (Entry, Data<'_>)> {
        let folder = Entry::new("treza", file_type::DIRECTORY | 0o755, 1);
        let size = self.description.len() as u32;
        let file = Entry {
            size,
            ..Entry::new(PATH, file_type::REGULAR | 0o644, 2)
        };
        let ours = [(folder, Data::Bytes(&[])), (file, Data::Bytes(&self.description))];
        // Numbers are given by first appearance; of the paths of one file the first has the data.
        let mut numbers = HashMap::new();
        let mut next = 2u32;
        let theirs = self.tree.entries().map(move |(path, inode_number, inode)| {
            let links = self.links.get(inode_number).copied().unwrap_or(1);
            let shared = links > 1 && !matches!(inode.kind, Kind::Symlink(_));
            let known = numbers.get(&inode_number).copied().filter(|_| shared);
            let number = known.unwrap_or_else(|| {
                next += 1;
                if shared {
                    numbers.insert(inode_number, next);
                }
                next
            });
            archived(
                path,
                inode,
                number,
                if shared { links } else { 1 },
                known.is_none(),
            )
        });
        ours.into_iter().chain(theirs)
    }
}

fn archived<'a>(path: &[u8], inode: &'a Inode, number: u32, links: u32, first: bool) -> (Entry, Data<'a>) {
    let (kind, device, data) = match &inode.kind {
        Kind::Directory => (file_type::DIRECTORY, (0, 0), Data::Bytes(&[])),
        Kind::File(extent) if first => (file_type::REGULAR, (0, 0), Data::Spooled(*extent)),
        Kind::File(_) => (file_type::REGULAR, (0, 0), Data::Bytes(&[])),
        Kind::Symlink(target) => (file_type::SYMLINK, (0, 0), Data::Bytes(target)),
        Kind::CharacterDevice(major, minor) => {
            (file_type::CHARACTER_DEVICE, (*major, *minor), Data::Bytes(&[]))
        }
        Kind::BlockDevice(major, minor) => (file_type::BLOCK_DEVICE, (*major, *minor), Data::Bytes(&[])),
        Kind::Fifo => (file_type::FIFO, (0, 0), Data::Bytes(&[])),
    };
    let size = match data {
        Data::Bytes(bytes) => bytes.len() as u32,
        Data::Spooled(extent) => extent.size,
    };
    let mut full = ROOT.as_bytes().to_vec();
    if !path.is_empty() {
        full.push(b'/');
        full.extend_from_slice(path);
    }
    // Linux takes a symbolic link's permissions from nowhere; 0777 is what every archive has.
    let permissions = if matches!(inode.kind, Kind::Symlink(_)) {
        0o777
    } else {
        inode.permissions
    };
    let (uid, gid) = (inode.uid, inode.gid);
    (
        Entry {
            uid,
            gid,
            links,
            device,
            size,
            ..Entry::new(full, kind | permissions, number)
        },
        data,
    )
}
