//! EIFs made for tests: by this crate's writer, and by hand where they must be wrong.
use std::io::Cursor;

use eif_build::eif::{Eif, Error, Metadata, SectionKind, Signer, Writer};

/// A small EIF: kernel, command line, metadata, two ramdisks.
pub(crate) fn small(signer: Option<&Signer>) -> Vec<u8> {
    with_ramdisks(&[&[8; 200], &[9; 100]], signer)
}

/// An EIF with these ramdisks.
pub(crate) fn with_ramdisks(ramdisks: &[&[u8]], signer: Option<&Signer>) -> Vec<u8> {
    let mut writer = Writer::new(Cursor::new(Vec::new()), false).unwrap();
    writer.section(SectionKind::Kernel, &[7; 300]).unwrap();
    writer.section(SectionKind::Cmdline, b"quiet").unwrap();
    writer
        .metadata(&Metadata::new("a", "1", "1970-01-01T00:00:00+00:00", "6"))
        .unwrap();
    for ramdisk in ramdisks {
        writer.section(SectionKind::Ramdisk, ramdisk).unwrap();
    }
    writer.finish(signer).unwrap().output.into_inner()
}

pub(crate) fn open(bytes: &[u8]) -> Result<Eif<Cursor<&[u8]>>, Error> {
    Eif::new(Cursor::new(bytes))
}

/// A certificate and its key (PKCS#8), PEM, valid now.
pub(crate) fn certificate(algorithm: &'static rcgen::SignatureAlgorithm) -> (String, String) {
    certificate_until(algorithm, 4000)
}

/// A certificate that is valid until a year.
pub(crate) fn certificate_until(
    algorithm: &'static rcgen::SignatureAlgorithm,
    year: i32,
) -> (String, String) {
    let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
    let mut parameters = rcgen::CertificateParams::new(vec!["a.test".into()]).unwrap();
    parameters.not_after = rcgen::date_time_ymd(year, 1, 1);
    let certificate = parameters.self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

pub(crate) fn signer(algorithm: &'static rcgen::SignatureAlgorithm) -> Signer {
    let (certificate, key) = certificate(algorithm);
    Signer::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap()
}

/// A section made by hand: type, flags, data.
pub(crate) type Raw = (u16, u16, Vec<u8>);

pub(crate) const METADATA: &[u8] = br#"{"ImageName":"a","ImageVersion":"1","BuildMetadata":{"BuildTime":"","BuildTool":"","BuildToolVersion":"","OperatingSystem":"","KernelVersion":""},"DockerInfo":null,"CustomMetadata":null}"#;

/// The sections of a sound file.
pub(crate) fn sound() -> Vec<Raw> {
    vec![
        (1, 0, vec![7; 30]),
        (2, 0, b"quiet".to_vec()),
        (5, 0, METADATA.to_vec()),
        (3, 0, vec![8; 20]),
    ]
}

/// A file of any sections, as the format has it but for what its sections say: table and CRC fit.
pub(crate) fn by_hand(sections: &[Raw]) -> Vec<u8> {
    let (mut offsets, mut sizes) = ([0u64; 32], [0u64; 32]);
    let mut body = Vec::new();
    for (number, (kind, flags, data)) in sections.iter().enumerate() {
        if number < 32 {
            offsets[number] = 548 + body.len() as u64;
            sizes[number] = data.len() as u64;
        }
        body.extend(kind.to_be_bytes());
        body.extend(flags.to_be_bytes());
        body.extend((data.len() as u64).to_be_bytes());
        body.extend(data);
    }
    let mut file = b".eif\0\x04\0\0".to_vec();
    file.extend([0; 18]);
    file.extend((sections.len() as u16).to_be_bytes());
    file.extend(offsets.iter().chain(&sizes).flat_map(|it| it.to_be_bytes()));
    file.extend([0; 8]);
    file.extend(body);
    seal(&mut file);
    file
}

/// Makes the CRC fit.
pub(crate) fn seal(file: &mut [u8]) {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&file[..544]);
    crc.update(&file[548..]);
    file[544..548].copy_from_slice(&crc.finalize().to_be_bytes());
}
