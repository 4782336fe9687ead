//! Time and memory.
use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
    process::Command,
};

use aws_lc_rs::digest::{Context, SHA384};
use flate2::bufread::MultiGzDecoder;

use crate::{
    Outcome, Table,
    equal::{described, key, note_equal},
    inputs,
    process::{Took, peer, run, treza, yardstick},
};

/// The most memory of a whole process, in KiB.
const MEMORY: i64 = 32 << 10;

/// One pass of SHA-384 over a file: the yardstick.
pub(crate) fn sha384(path: &str) -> Outcome<()> {
    let (mut file, mut sum, mut chunk) = (File::open(path)?, Context::new(&SHA384), vec![0; 1 << 18]);
    loop {
        match file.read(&mut chunk)? {
            0 => break,
            count => sum.update(&chunk[..count]),
        }
    }
    println!("{:?}", sum.finish());
    Ok(())
}

/// Decompresses a layer, and does nothing with it.
pub(crate) fn inflate(path: &str) -> Outcome<()> {
    let packed = io::BufReader::with_capacity(1 << 17, File::open(path)?);
    let mut plain = io::BufReader::with_capacity(1 << 17, MultiGzDecoder::new(packed));
    println!("{}", io::copy(&mut plain, &mut io::sink())?);
    Ok(())
}

/// Medians of the times of some commands, in seconds, and the most memory of each; they take turns.
fn medians<const N: usize>(
    rounds: usize,
    mut commands: [&mut dyn FnMut() -> Outcome<Took>; N],
) -> Outcome<[(f64, i64); N]> {
    let mut times: [Vec<f64>; N] = std::array::from_fn(|_| Vec::new());
    let mut memory = [0; N];
    for _ in 0..rounds {
        for (number, command) in commands.iter_mut().enumerate() {
            let took = command()?;
            times[number].push(took.time.as_secs_f64());
            memory[number] = memory[number].max(took.memory);
        }
    }
    Ok(std::array::from_fn(|number| {
        times[number].sort_by(f64::total_cmp);
        (times[number][times[number].len() / 2], memory[number])
    }))
}

/// Kernel, 5 MiB and `megabytes` MiB of ramdisks: build, describe and sign.
pub(crate) fn files(table: &mut Table, work: &Path, megabytes: u64) -> Outcome<()> {
    let rounds = if megabytes <= 1000 { 9 } else { 3 };
    let (kernel, boot, application) = (work.join("kernel"), work.join("boot"), work.join("application"));
    inputs::noise(&kernel, 8, 3)?;
    inputs::noise(&boot, 5, 4)?;
    inputs::noise(&application, megabytes, 5)?;
    let (ours, theirs, metadata) = (
        work.join("ours.eif"),
        work.join("theirs.eif"),
        work.join("metadata.json"),
    );
    let build = || {
        let mut command = treza();
        command
            .arg("build")
            .arg("--kernel")
            .arg(&kernel)
            .args(["--cmdline", "quiet", "--name", "peers"]);
        command
            .arg("--ramdisk")
            .arg(&boot)
            .arg("--ramdisk")
            .arg(&application)
            .arg("--output")
            .arg(&ours);
        command
    };
    run(&mut build())?;
    // The peer is given our metadata, so that its file must be ours byte for byte.
    fs::write(&metadata, metadata_of(&ours)?)?;
    let peer_build = || {
        let mut command = peer();
        command
            .arg("build")
            .arg(&kernel)
            .arg("quiet")
            .arg(&theirs)
            .arg(&metadata)
            .arg(&boot)
            .arg(&application);
        command
    };
    // Writing over a file that is there frees it first; both begin without one.
    let (fresh_ours, fresh_theirs) = (|| fs::remove_file(&ours), || fs::remove_file(&theirs));
    fs::write(&theirs, b"")?;
    let name = format!("5 + {megabytes} MiB");
    let [(pass, _), (we, memory), (they, their_memory)] = medians(
        rounds,
        [
            &mut || run(&mut yardstick("sha384", &ours)),
            &mut || {
                fresh_ours()?;
                run(&mut build())
            },
            &mut || {
                fresh_theirs()?;
                run(&mut peer_build())
            },
        ],
    )?;
    let same = same_bytes(&ours, &theirs)?;
    table.note(
        format!("{name}: the peer's file"),
        if same { "the same bytes" } else { "DIFFERENT" },
        "the same bytes",
        Some(same),
    );
    fs::remove_file(&theirs)?;
    fs::remove_file(&application)?;
    let limit = we / pass;
    table.note(
        format!("{name}: one SHA-384 pass over the file"),
        seconds(pass),
        "",
        None,
    );
    table.note(
        format!("{name}: build"),
        format!("{}, {limit:.2} × the pass", seconds(we)),
        "1.25 ×",
        Some(limit <= 1.25),
    );
    note_memory(table, format!("{name}: build, peak memory"), memory);
    table.note(
        format!("{name}: the peer's build"),
        format!(
            "{} ({:.1} × ours), {} MiB",
            seconds(they),
            they / we,
            their_memory >> 10
        ),
        "",
        None,
    );

    let (certificate, key) = key(work, &rcgen::PKCS_ECDSA_P384_SHA384)?;
    let describe = |program: fn() -> Command| {
        let mut command = program();
        command.arg("describe").arg(&ours);
        command
    };
    let [(we, memory), (they, _)] = medians(
        rounds,
        [&mut || run(&mut describe(treza)), &mut || {
            run(&mut describe(peer))
        }],
    )?;
    faster(table, format!("{name}: describe"), we, they, 3.0);
    note_memory(table, format!("{name}: describe, peak memory"), memory);

    let signed = work.join("signed.eif");
    let sign = || {
        let mut command = treza();
        command
            .arg("sign")
            .arg(&ours)
            .arg("--signing-certificate")
            .arg(&certificate)
            .arg("--private-key")
            .arg(&key);
        command.arg("--output").arg(&signed);
        command
    };
    // The peer signs in place: it is given an unsigned copy each time, outside of the clock.
    let [(we, memory), (they, _)] = medians(
        rounds,
        [
            &mut || {
                let _ = fs::remove_file(&signed);
                run(&mut sign())
            },
            &mut || {
                fs::copy(&ours, &signed)?;
                run(peer().arg("sign").arg(&signed).arg(&certificate).arg(&key))
            },
        ],
    )?;
    faster(table, format!("{name}: sign"), we, they, 15.0);
    note_memory(table, format!("{name}: sign, peak memory"), memory);
    run(&mut sign())?;
    let (we, they) = described(&signed)?;
    note_equal(table, format!("{name}: signed, described"), &we, &they);
    fs::remove_file(&signed)?;
    Ok(fs::remove_file(&ours)?)
}

/// An image of 200 MiB in layers of gzip, on this machine.
pub(crate) fn image(table: &mut Table, work: &Path) -> Outcome<()> {
    let (folder, eif, bundles) = (work.join("image"), work.join("image.eif"), work.join("bundles"));
    run(yardstick("image", &folder).arg("200"))?;
    inputs::noise(&work.join("kernel"), 4, 6)?;
    inputs::noise(&work.join("agent"), 2, 7)?;
    let mut create = treza();
    create
        .args(["bundle", "create", "--cmdline", "quiet", "--kernel"])
        .arg(work.join("kernel"));
    run(create
        .arg("--agent")
        .arg(work.join("agent"))
        .arg("--bundles")
        .arg(&bundles))?;
    let build = || {
        let mut command = treza();
        command
            .arg("build")
            .arg("--image")
            .arg(format!("oci:{}", folder.display()))
            .arg("--bundles")
            .arg(&bundles);
        command
            .arg("--cache")
            .arg(work.join("cache"))
            .arg("--output")
            .arg(&eif);
        command
    };
    run(&mut build())?;
    let inflate = |layer: &str| run(&mut yardstick("inflate", &folder.join(layer)));
    let [(pass, _), (first, _), (second, _), (we, memory)] = medians(
        5,
        [
            &mut || run(&mut yardstick("sha384", &eif)),
            &mut || inflate("layer0"),
            &mut || inflate("layer1"),
            &mut || run(&mut build()),
        ],
    )?;
    let (yard, name) = (pass + first + second, "an image of 200 MiB in layers");
    table.note(
        format!("{name}: a SHA-384 pass, decompression"),
        format!("{}, {}", seconds(pass), seconds(first + second)),
        "",
        None,
    );
    table.note(
        format!("{name}: build"),
        format!("{}, {:.2} × both", seconds(we), we / yard),
        "2 ×",
        Some(we / yard <= 2.0),
    );
    note_memory(table, format!("{name}: build, peak memory"), memory);
    Ok(fs::remove_file(eif)?)
}

fn faster(table: &mut Table, what: String, we: f64, they: f64, limit: f64) {
    let ratio = they / we;
    let value = format!("{}, the peer {} ({ratio:.1} ×)", seconds(we), seconds(they));
    table.note(what, value, &format!("{limit:.0} × faster"), Some(ratio >= limit));
}

fn note_memory(table: &mut Table, what: String, memory: i64) {
    let value = format!("{:.1} MiB", memory as f64 / 1024.0);
    table.note(what, value, "32 MiB", Some(memory <= MEMORY));
}

fn seconds(seconds: f64) -> String {
    format!("{seconds:.3} s")
}

/// The metadata section of a file of ours.
fn metadata_of(eif: &Path) -> Outcome<Vec<u8>> {
    let described: serde_json::Value =
        serde_json::from_str(&run(treza().args(["describe", "--json"]).arg(eif))?.output)?;
    let sections = described["Sections"].as_array().cloned().unwrap_or_default();
    let section = sections
        .iter()
        .find(|it| it["kind"] == "metadata")
        .ok_or("no metadata")?;
    let (offset, size) = (
        section["offset"].as_u64().ok_or("no offset")?,
        section["size"].as_u64().ok_or("no size")?,
    );
    let mut bytes = vec![0; size as usize];
    std::os::unix::fs::FileExt::read_exact_at(&File::open(eif)?, &mut bytes, offset + 12)?;
    Ok(bytes)
}

fn same_bytes(a: &Path, b: &Path) -> Outcome<bool> {
    Ok(Command::new("cmp")
        .arg("--silent")
        .arg(a)
        .arg(b)
        .status()?
        .success())
}
