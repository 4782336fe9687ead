//! Layers: what they make, and what is refused.
#![allow(clippy::unwrap_used, clippy::panic)] // Tests may fail.
mod bounds;
#[path = "../common/mod.rs"]
mod common;
mod hostile;
mod tree;

use std::io::Read;

use common::{Layer, Pack, plain};
use eif_build::{
    digest::Digest,
    rootfs::{self, Error, Kind, Limits, PackedLayer, Problem, Spool, Tree},
};

pub(crate) fn apply_with(layers: &[(Vec<u8>, Pack)], limits: &Limits) -> Result<Tree, Error> {
    let packed: Vec<_> = layers
        .iter()
        .map(|(tar, pack)| (pack(tar), Digest::of(tar)))
        .collect();
    let layers = packed.iter().map(|(bytes, diff_id)| {
        Ok(PackedLayer {
            bytes: &bytes[..],
            digest: Some(Digest::of(bytes)),
            diff_id: *diff_id,
        })
    });
    rootfs::apply(
        layers,
        Tree::new(Spool::new_in(&std::env::temp_dir()).unwrap()),
        limits,
    )
}

pub(crate) fn apply(layers: Vec<Layer>) -> Result<Tree, Error> {
    let layers: Vec<_> = layers
        .into_iter()
        .map(|layer| (layer.tar(), plain as Pack))
        .collect();
    apply_with(&layers, &Limits::default())
}

pub(crate) fn paths(tree: &Tree) -> String {
    let names: Vec<_> = tree
        .entries()
        .skip(1)
        .map(|(path, ..)| String::from_utf8_lossy(path).into_owned())
        .collect();
    names.join(" ")
}

pub(crate) fn content(tree: &Tree, path: &str) -> String {
    let Some(Kind::File(extent)) = tree.get(path.as_bytes()).map(|inode| &inode.kind) else {
        return "none".into();
    };
    let mut text = String::new();
    tree.spool().read(*extent).read_to_string(&mut text).unwrap();
    text
}

pub(crate) fn problem(layers: Vec<Layer>) -> Problem {
    match reason(apply(layers).unwrap_err()) {
        Error::Entry { problem, .. } => problem,
        other => panic!("not refused as an entry: {other:?}"),
    }
}

/// What a layer is refused for.
pub(crate) fn reason(error: Error) -> Error {
    match error {
        Error::Layer { problem, .. } => *problem,
        other => other,
    }
}
