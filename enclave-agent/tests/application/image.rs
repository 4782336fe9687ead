//! What the image and the launch message say of it: user, environment, secure module, attributes.

use crate::tree::{health_when, image, launch, next, run, tree};
use contract::image::{User, Xattr};
use contract::launch::{Variable, Workload};
use contract::statement::Exit;
use enclave_agent::Application;

#[tokio::test]
async fn user_directory_and_environment_are_the_images() {
    let Some(tree) = tree() else { return };
    let mut image = image(
        "id -u; id -g; id -G; echo $FROM $HOME $HOSTNAME; cat /proc/self/status; umask; \
                           echo through > /dev/stdout; ulimit -n",
    );
    image.user = User {
        uid: 1234,
        gid: 2345,
        groups: vec![3456, 4567],
        home: "/home/app".into(),
    };
    let (output, health) = run(&tree, &image).await;
    assert_eq!(health.last_exit, Some(Exit::Code(0)), "{output}");
    assert!(
        output.starts_with("1234\n2345\n2345 3456 4567\nimage /home/app enc_1\n"),
        "{output}"
    );
    assert!(output.contains("CapEff:\t0000000000000000") && output.contains("CapPrm:\t0000000000000000"));
    assert!(output.ends_with("0022\nthrough\n1024\n"), "{output}");
}

#[tokio::test]
async fn the_launch_message_adds_to_the_environment() {
    let Some(tree) = tree() else { return };
    let mut launch = launch(Workload::Batch);
    launch.environment = vec![Variable {
        name: "FROM".into(),
        value: "launch message".into(),
    }];
    let application = Application::start(tree.place(), &image("echo $FROM"), &launch);
    health_when(&application, |health| health.ended).await;
    assert_eq!(
        next(&mut application.output()).await.unwrap(),
        b"launch message\n"
    );
}

#[tokio::test]
async fn the_secure_module_is_there_for_those_who_asked() {
    let Some(tree) = tree() else { return };
    let mut image = image("ls /dev/nsm && echo hello > /dev/nsm && echo usable");
    image.user.uid = 1000;
    let (output, _) = run(&tree, &image).await;
    assert!(!output.contains("usable"), "{output}");
    image.nsm = true;
    let (output, _) = run(&tree, &image).await;
    assert_eq!(output, "/dev/nsm\nusable\n");
}

#[tokio::test]
async fn attributes_that_the_ramdisk_could_not_carry_are_set() {
    let Some(tree) = tree() else { return };
    let mut image = image("true");
    // cap_net_raw=ep, revision 2 (linux/capability.h, struct vfs_cap_data)
    let value = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0].to_vec();
    image.xattrs = vec![Xattr {
        path: "bin/cat".into(),
        name: "security.capability".into(),
        value,
    }];
    let (output, health) = run(&tree, &image).await;
    assert_eq!(health.last_exit, Some(Exit::Code(0)), "{output}");
    if output.contains("cannot set") {
        println!("skipped: the file system of the temporary directory has no such attributes: {output}");
        return;
    }
    image.xattrs.clear();
    image.user.uid = 1000;
    image.cmd = vec!["cat /proc/self/status".into()];
    let (output, _) = run(&tree, &image).await;
    assert!(output.contains("CapEff:\t0000000000002000"), "{output}");
}
