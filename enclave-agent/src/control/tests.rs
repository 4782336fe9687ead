use super::*;
use crate::examples;
use crate::{Place, SecureModule};
use contract::statement::Statement;
use nsm::development::{Authority, Measurements, Module, ModuleId};
use nsm::{Nsm, PcrValue};
use proptest::prelude::*;
use std::sync::Mutex;
use tokio::net::{TcpListener, UnixStream};

/// A development module that the test can look into, and the directory of its CA.
struct Development {
    nsm: Arc<Mutex<Module>>,
    _directory: tempfile::TempDir,
}

fn development() -> Development {
    let directory = tempfile::tempdir().unwrap();
    let authority = Arc::new(Authority::open(directory.path()).unwrap());
    let id = ModuleId::generate("i-0123456789abcdef0").unwrap();
    let measurements = Measurements {
        pcr0: [1; 48],
        pcr1: [2; 48],
        pcr2: [3; 48],
        pcr8: None,
    };
    let module = Module::new(authority, id, &measurements, false).unwrap();
    Development {
        nsm: Arc::new(Mutex::new(module)),
        _directory: directory,
    }
}

/// An agent whose application cannot start: what is under test here comes before that.
async fn agent(nsm: impl Nsm + 'static, ports: &[u16]) -> Arc<Agent> {
    let module = SecureModule::start(move || Ok(Box::new(nsm))).await.unwrap();
    let mut image = examples::image();
    image.exposed_ports = ports.to_vec();
    let place = Place {
        agent: c"/no/such/program".to_owned(),
        ..Place::default()
    };
    Arc::new(Agent::new(module, image, place, [7; 16]))
}

async fn connected(agent: &Arc<Agent>) -> UnixStream {
    let (host, theirs) = UnixStream::pair().unwrap();
    let admitted = agent.admit().await;
    tokio::spawn(converse(agent.clone(), theirs, admitted));
    host
}

async fn answer_of(host: &mut UnixStream) -> Answer {
    let mut head = [0; 4];
    host.read_exact(&mut head).await.unwrap();
    let mut content = vec![0; content_length(head).unwrap()];
    host.read_exact(&mut content).await.unwrap();
    Answer::decode(&content).unwrap()
}

async fn ask(agent: &Arc<Agent>, request: Request) -> Answer {
    let mut host = connected(agent).await;
    host.write_all(&request.to_frame()).await.unwrap();
    answer_of(&mut host).await
}

fn launch_request() -> Request {
    Request::Launch(examples::launch().encode())
}

#[track_caller]
fn refusal(answer: Answer) -> Refusal {
    match answer {
        Answer::Refused(refusal, reason) => {
            assert!(!reason.is_empty());
            refusal
        }
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn before_the_launch_nothing_is_granted() {
    let agent = agent(development().nsm, &[80]).await;
    for request in [Request::Challenge(vec![1]), Request::Forward(80), Request::Output] {
        assert_eq!(refusal(ask(&agent, request).await), Refusal::NotLaunched);
    }
}

#[tokio::test]
async fn a_launch_is_measured_locked_and_taken_once() {
    let development = development();
    let agent = agent(development.nsm.clone(), &[80, 443]).await;
    let malformed = Request::Launch(b"no launch message".to_vec());
    assert_eq!(refusal(ask(&agent, malformed).await), Refusal::Malformed);
    assert_eq!(
        ask(&agent, launch_request()).await,
        Answer::Launched(vec![80, 443])
    );

    let mut nsm = development.nsm.clone();
    let pcr: PcrValue = examples::launch().pcr16();
    assert_eq!(nsm.describe_pcr(16).unwrap().value, pcr);
    assert!(nsm.describe_pcr(16).unwrap().locked);
    assert!(!nsm.describe_pcr(17).unwrap().locked);

    let mut other = examples::launch();
    other.generation += 1;
    for again in [examples::launch(), other] {
        assert_eq!(
            refusal(ask(&agent, Request::Launch(again.encode())).await),
            Refusal::AlreadyLaunched
        );
    }
    assert_eq!(nsm.describe_pcr(16).unwrap().value, pcr);
}

#[tokio::test]
async fn of_two_launches_at_once_one_is_taken() {
    let agent = agent(development().nsm, &[]).await;
    let (one, other) = tokio::join!(ask(&agent, launch_request()), ask(&agent, launch_request()));
    let launched = |answer: &Answer| matches!(answer, Answer::Launched(_));
    assert!(launched(&one) != launched(&other), "{one:?} {other:?}");
}

#[tokio::test]
async fn a_launch_that_cannot_be_measured_ends_the_enclave() {
    let mut spoiled = development().nsm;
    spoiled.extend_pcr(16, b"by someone else").unwrap();
    let mut locked = development().nsm;
    locked.lock_pcr(16).unwrap();
    for nsm in [spoiled, locked] {
        let agent = agent(nsm, &[]).await;
        let mut host = connected(&agent).await;
        host.write_all(&launch_request().to_frame()).await.unwrap();
        assert_eq!(refusal(answer_of(&mut host).await), Refusal::Internal);
        assert_eq!(
            refusal(ask(&agent, launch_request()).await),
            Refusal::AlreadyLaunched
        );
        assert_eq!(
            refusal(ask(&agent, Request::Challenge(vec![1])).await),
            Refusal::NotLaunched
        );
        drop(host);
        assert!(matches!(agent.ended().await, End::LaunchFailed(_)));
    }
}

#[tokio::test]
async fn evidence_is_bound_to_the_statement_and_the_nonce() {
    let agent = agent(development().nsm, &[]).await;
    ask(&agent, launch_request()).await;
    let mut sequence = 0;
    for nonce in [vec![9; 1], vec![8; 64]] {
        let Answer::Evidence { statement, document } = ask(&agent, Request::Challenge(nonce.clone())).await
        else {
            panic!("no evidence");
        };
        let contains = |part: &[u8]| document.windows(part.len()).any(|window| window == part);
        assert!(contains(&Statement::user_data(&statement)));
        assert!(contains(&nonce));
        let statement = Statement::decode(&statement).unwrap();
        assert_eq!(statement.record_id, "enc_1");
        assert_eq!(statement.generation, 3);
        assert_eq!(statement.launch_digest, examples::launch().digest());
        assert_eq!(statement.image_digest, examples::image().digest);
        assert_eq!(statement.boot_id, [7; 16]);
        assert!(statement.sequence > sequence);
        sequence = statement.sequence;
    }
    for bad in [vec![], vec![0; 65]] {
        assert_eq!(
            refusal(ask(&agent, Request::Challenge(bad)).await),
            Refusal::Malformed
        );
    }
}

#[tokio::test]
async fn only_the_applications_ports_are_forwarded() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let open = listener.local_addr().unwrap().port();
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let agent = agent(development().nsm, &[open, closed]).await;
    ask(&agent, launch_request()).await;
    assert_eq!(
        refusal(ask(&agent, Request::Forward(1)).await),
        Refusal::NotExposed
    );
    assert_eq!(
        refusal(ask(&agent, Request::Forward(closed)).await),
        Refusal::Unreachable
    );

    let mut host = connected(&agent).await;
    // What follows the request in the same packet is the application's already.
    host.write_all(&[Request::Forward(open).to_frame(), b"hello".to_vec()].concat())
        .await
        .unwrap();
    assert_eq!(answer_of(&mut host).await, Answer::Granted);
    let mut hello = [0; 5];
    let mut application = loop {
        let (mut connection, _) = listener.accept().await.unwrap();
        // The health check connects too, and says nothing.
        if connection.read_exact(&mut hello).await.is_ok() {
            break connection;
        }
    };
    assert_eq!(&hello, b"hello");
    application.write_all(b"world").await.unwrap();
    drop(application);
    let mut world = String::new();
    host.read_to_string(&mut world).await.unwrap();
    assert_eq!(world, "world");
}

#[tokio::test]
async fn a_stop_ends_the_enclave_launched_or_not() {
    for launched in [false, true] {
        let agent = agent(development().nsm, &[]).await;
        if launched {
            ask(&agent, launch_request()).await;
        }
        assert_eq!(ask(&agent, Request::Stop(u32::MAX)).await, Answer::Granted);
        assert_eq!(agent.ended().await, End::Asked(LONGEST_GRACE));
    }
}

#[tokio::test]
async fn hostile_frames_are_refused_or_dropped() {
    let agent = agent(development().nsm, &[]).await;
    for (bytes, refused) in [
        (&[0xff, 0xff, 0xff, 0xff][..], true),
        (&[0, 0, 0, 0], true),
        (&[0, 0, 0, 2, 0xff, 0xff], true),
        (&[0, 0, 0, 9, 1], false),
        (&[0, 0], false),
        (&[], false),
    ] {
        let mut host = connected(&agent).await;
        host.write_all(bytes).await.unwrap();
        host.shutdown().await.unwrap();
        if refused {
            assert_eq!(refusal(answer_of(&mut host).await), Refusal::Malformed);
        }
        let mut rest = Vec::new();
        host.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let _ = runtime.block_on(read_request(&mut &bytes[..]));
    }

    #[test]
    fn a_request_is_read_as_it_was_written(nonce: Vec<u8>, rest: Vec<u8>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let sent = [Request::Challenge(nonce.clone()).to_frame(), rest.clone()].concat();
        let mut stream = &sent[..];
        let read = runtime.block_on(read_request(&mut stream)).unwrap();
        prop_assert_eq!(read, Request::Challenge(nonce));
        prop_assert_eq!(stream, &rest[..]);
    }
}
