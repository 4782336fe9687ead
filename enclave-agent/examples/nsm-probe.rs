//! A program as anyone would write it for Nitro Enclaves, with Amazon's own crate: describes the secure module, asks
//! it for an attestation document, and prints what came of it. Exit 0 if both worked, 1 if not.

use aws_nitro_enclaves_nsm_api::api::{Request, Response};
use aws_nitro_enclaves_nsm_api::driver;
use std::process::ExitCode;

fn main() -> ExitCode {
    let device = driver::nsm_init();
    if device < 0 {
        println!("no /dev/nsm: {}", std::io::Error::last_os_error());
        return ExitCode::FAILURE;
    }
    let described = match driver::nsm_process_request(device, Request::DescribeNSM) {
        Response::DescribeNSM {
            module_id,
            locked_pcrs,
            ..
        } => {
            println!("module {module_id}, {} locked registers", locked_pcrs.len());
            true
        }
        other => {
            println!("DescribeNSM: {other:?}");
            false
        }
    };
    let request = Request::Attestation {
        user_data: None,
        nonce: Some(b"nsm-probe".to_vec().into()),
        public_key: None,
    };
    let attested = match driver::nsm_process_request(device, request) {
        Response::Attestation { document } => {
            println!("attestation document of {} bytes", document.len());
            true
        }
        other => {
            println!("Attestation: {other:?}");
            false
        }
    };
    driver::nsm_exit(device);
    if described && attested {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
