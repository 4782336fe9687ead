//! The row's whole life against chance: clients, stream, steps, host and monitor take turns in any order; records come
//! again, steps and triggers are killed between their writes, executions are stopped. Nothing is lost, nothing is done
//! twice, and no host is left that nobody gives back.

use crate::common::{Enclave, World, healthy, report, web_row};
use contract::report::{Phase, Report};
use contract::row::AttestationState;
use contract::statement::Statement;
use contract::stream::Record;
use contract::{RecordId, Status};
use proptest::prelude::*;
use provisioner::pipeline::Step;
use provisioner::trigger;
use provisioner::workflow::{Execution, Work};
use provisioner::{finish, measure, monitor, place, ports::Measured, validate};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const ROWS: [&str; 2] = ["a", "b"];
/// More than any row waits.
const A_DAY: Duration = Duration::from_secs(24 * 3600);

/// What may happen next.
#[derive(Debug, Clone)]
enum Event {
    /// A client writes a request into a row.
    Ask(usize, Status),
    /// The next records that were never taken, so many of them; the trigger may be killed before it starts the last one.
    Deliver { records: usize, killed: bool },
    /// Records that were taken already come again.
    Replay { back: usize },
    /// An execution takes its next step; killed after it, it takes it again.
    Step { which: usize, killed: bool },
    /// A person stops an execution that makes a host or gives one back: it does nothing more.
    Stop(usize),
    /// A row's host does what the row says; its report comes at once, or is on its way for a while.
    Host { row: usize, at_once: bool },
    /// A report of the host's that was on its way comes now, and perhaps not for the last time.
    Late(usize),
    /// A minute has gone by and the monitor looks, and perhaps once more.
    Monitor { again: bool },
}

fn event() -> impl Strategy<Value = Event> {
    let status = prop::sample::select(vec![
        Status::PendingDeploy,
        Status::PendingDestroy,
        Status::Pausing,
        Status::Resuming,
    ]);
    prop_oneof![
        2 => (0..ROWS.len(), status).prop_map(|(row, status)| Event::Ask(row, status)),
        4 => (1..4_usize, any::<bool>()).prop_map(|(records, killed)| Event::Deliver { records, killed }),
        1 => (1..6_usize).prop_map(|back| Event::Replay { back }),
        6 => (any::<usize>(), prop::bool::weighted(0.2)).prop_map(|(which, killed)| Event::Step { which, killed }),
        3 => any::<usize>().prop_map(Event::Stop),
        4 => (0..ROWS.len(), prop::bool::weighted(0.8)).prop_map(|(row, at_once)| Event::Host { row, at_once }),
        2 => any::<usize>().prop_map(Event::Late),
        2 => any::<bool>().prop_map(|again| Event::Monitor { again }),
    ]
}

/// A state machine: in each, a name is one execution's.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Machine {
    Deploy,
    Cleanup,
    Pause,
}

impl Machine {
    fn of(work: Work) -> Self {
        match work {
            Work::Deploy => Self::Deploy,
            Work::Destroy | Work::Release => Self::Cleanup,
            Work::Pause => Self::Pause,
        }
    }
}

/// An execution, as Step Functions keeps it.
#[derive(Default)]
struct Progress {
    step: usize,
    measured: Option<Measured>,
    ended: bool,
}

struct Model {
    world: World,
    records: Vec<Record>,
    taken: usize,
    /// By machine and name.
    executions: BTreeMap<(Machine, String), (Execution, Progress)>,
    /// The turns whose execution was stopped.
    stopped: BTreeSet<(String, u64)>,
    /// The latest turn of each row that the runner knows of, and the rows that it has made a host for.
    begun: BTreeMap<RecordId, u64>,
    hosts: BTreeSet<RecordId>,
    enclaves: BTreeMap<(String, u64), Enclave>,
    sent: Vec<Report>,
    /// How many of them were sent before the monitor last looked.
    older: usize,
    asked: BTreeMap<&'static str, Status>,
    generations: BTreeMap<&'static str, u64>,
    requests: BTreeMap<&'static str, u64>,
}

impl Model {
    async fn new(dedicated: bool) -> Self {
        let world = World::new().await;
        world
            .hosts
            .dedicated
            .store(dedicated, std::sync::atomic::Ordering::Relaxed);
        let mut model = Self {
            world,
            records: Vec::new(),
            taken: 0,
            executions: BTreeMap::new(),
            stopped: BTreeSet::new(),
            begun: BTreeMap::new(),
            hosts: BTreeSet::new(),
            enclaves: BTreeMap::new(),
            sent: Vec::new(),
            older: 0,
            asked: BTreeMap::new(),
            generations: BTreeMap::new(),
            requests: BTreeMap::new(),
        };
        for row in ROWS {
            model.world.put(web_row(row)).await;
            model.asked.insert(row, Status::PendingDeploy);
            model.requests.insert(row, 1);
        }
        model
    }

    async fn happens(&mut self, event: &Event) {
        match event {
            Event::Ask(row, status) => self.ask(ROWS[*row], *status).await,
            Event::Deliver { records, killed } => self.deliver(*records, *killed).await,
            Event::Replay { back } => {
                let from = self.taken.saturating_sub(*back);
                for at in from..self.taken {
                    let record = self.records[at].clone();
                    self.trigger(&record, true).await;
                }
            }
            Event::Step { which, killed } => self.step(*which, *killed).await,
            Event::Stop(which) => self.stop(*which),
            Event::Host { row, at_once } => self.host(ROWS[*row], *at_once).await,
            Event::Late(which) if !self.sent.is_empty() => {
                let late = self.sent[which % self.sent.len()].clone();
                self.world.report(late).await;
            }
            Event::Late(_) => {}
            Event::Monitor { again } => self.monitor(*again).await,
        }
        self.check().await;
    }

    /// Time goes by here only: challenges are older by a minute, and reports of before the minute are not judged any more.
    async fn monitor(&mut self, again: bool) {
        for row in ROWS {
            self.world.age_challenge(row, Duration::from_secs(60)).await;
        }
        self.sent.drain(..self.older);
        self.older = self.sent.len();
        for _ in 0..=usize::from(again) {
            monitor::monitor(&self.world.pipeline).await.unwrap();
        }
    }

    async fn ask(&mut self, row: &'static str, status: Status) {
        if self.world.status(row).await != status.as_str() {
            self.world.set_status(row, status.as_str()).await;
            self.asked.insert(row, status);
            *self.requests.entry(row).or_default() += 1;
        }
    }

    async fn deliver(&mut self, most: usize, killed: bool) {
        self.records.extend(self.world.records());
        let until = self.taken.saturating_add(most).min(self.records.len());
        for at in self.taken..until {
            let record = self.records[at].clone();
            let dies = killed && at + 1 == until;
            self.trigger(&record, !dies).await;
            if !dies {
                self.taken = at + 1;
            }
        }
    }

    /// The trigger, which may be killed after it has raised the row's generation and before it starts the execution.
    async fn trigger(&mut self, record: &Record, starts: bool) {
        let execution = trigger::handle(&self.world.pipeline, record).await.unwrap();
        if let Some(execution) = execution.filter(|_| starts) {
            let fresh = (execution.clone(), Progress::default());
            let name = (Machine::of(execution.work), execution.name());
            let (there, _) = self.executions.entry(name).or_insert(fresh);
            assert_eq!(*there, execution, "one name, one turn");
        }
    }

    fn open(&mut self, which: usize) -> Option<&mut (Execution, Progress)> {
        let mut open: Vec<_> = self
            .executions
            .values_mut()
            .filter(|(_, progress)| !progress.ended)
            .collect();
        let at = which.checked_rem(open.len())?;
        Some(open.swap_remove(at))
    }

    fn stop(&mut self, which: usize) {
        let Some((execution, progress)) = self.open(which) else {
            return;
        };
        // Of a pause no host is left that was not there before, and nobody is there to give back what a release left.
        if matches!(execution.work, Work::Deploy | Work::Destroy) {
            progress.ended = true;
            let turn = (execution.id.to_string(), execution.generation);
            self.stopped.insert(turn);
        }
    }

    /// The runner, before the step is taken: it makes a host for the row's present turn, and gives back what is no later
    /// turn's.
    async fn runner(&mut self, execution: &Execution, step: usize) {
        let Execution { id, generation, work } = execution;
        let begun = self.begun.entry(id.clone()).or_default();
        if step == 0 && *work != Work::Pause {
            *begun = (*begun).max(*generation);
        }
        let is_latest = begun == generation;
        match (work, step) {
            (Work::Deploy, 2) if is_latest => {
                let deploying = [Status::Deploying, Status::Resuming];
                let current = self.world.pipeline.current(id, *generation, &deploying).await;
                if current.unwrap().is_some() {
                    self.hosts.insert(id.clone());
                }
            }
            (Work::Destroy, 1) | (Work::Release, 0) if is_latest => drop(self.hosts.remove(id)),
            _ => {}
        }
    }

    async fn step(&mut self, which: usize, killed: bool) {
        let Some((execution, progress)) = self.open(which) else {
            return;
        };
        let (execution, at) = (execution.clone(), progress.step);
        self.runner(&execution, at).await;
        let name = (Machine::of(execution.work), execution.name());
        let (_, progress) = self.executions.get_mut(&name).unwrap();
        let (pipeline, id, generation) = (&self.world.pipeline, &execution.id, execution.generation);
        let mut measured = None;
        let done = match (execution.work, progress.step) {
            (Work::Deploy, 0) => validate::validate(pipeline, id, generation).await,
            (Work::Deploy, 1) => measure::measure(pipeline, id, generation).await.map(|found| {
                measured = found;
                measured.as_ref().map_or(Step::Superseded, |_| Step::Done)
            }),
            (Work::Deploy, 2) => {
                let measured = progress.measured.clone().unwrap();
                place::place(pipeline, id, generation, &measured).await
            }
            (Work::Destroy, 0) => finish::destroy(pipeline, id, generation).await,
            (Work::Destroy, 1) => match pipeline.hosts.are_dedicated() {
                true => finish::host_gone(pipeline, id, generation).await,
                false => Ok(Step::Superseded),
            },
            (Work::Pause, 0) => finish::pause(pipeline, id, generation).await,
            _ => Ok(Step::Superseded),
        };
        let last = match &done {
            Ok(step) => *step == Step::Superseded,
            Err(error) => {
                let statuses = [Status::Deploying, Status::Resuming, Status::PendingDeploy];
                let why = error.to_string();
                let failed = provisioner::fail::fail(pipeline, id, generation, &statuses, &why);
                assert_eq!(failed.await.unwrap(), Step::Done, "{error}");
                true
            }
        };
        if !killed || last {
            progress.step += 1;
            progress.measured = measured.or(progress.measured.take());
            progress.ended = last;
        }
    }

    /// The host: it runs what is assigned to it, once for each turn, and stops what is not wanted.
    async fn host(&mut self, row: &'static str, at_once: bool) {
        let now = self.world.row(row).await;
        let sent = if now.status.wants_enclave() && now.current_expectation().is_some() {
            let key = (row.to_owned(), now.generation);
            let enclave = self.enclaves.entry(key).or_insert_with(|| Enclave::launch(&now));
            enclave.challenge = hex::decode(&now.current_expectation().unwrap().challenge).unwrap();
            enclave.report(healthy())
        } else {
            report(row, now.generation, Phase::Stopped)
        };
        self.sent.push(sent.clone());
        if at_once {
            self.world.report(sent).await;
        }
    }

    /// What holds at any time.
    async fn check(&mut self) {
        for row in ROWS {
            let now = self.world.row(row).await;
            let before = self.generations.insert(row, now.generation).unwrap_or(0);
            assert!(now.generation >= before, "{row}: a generation fell");
            assert!(
                now.generation <= self.requests[row],
                "{row}: a request was taken up twice"
            );
            if now.status == Status::Deployed {
                let attestation = now.attestation.as_ref().expect("DEPLOYED has evidence");
                assert_eq!(attestation.state, AttestationState::Attested);
                let statement = Statement::decode(&attestation.statement).unwrap();
                assert_eq!(
                    (statement.record_id.as_str(), statement.generation),
                    (row, now.generation)
                );
            }
        }
    }

    /// Everything that is open comes to its end.
    async fn settles(&mut self) {
        self.everyone_works().await;
        for row in ROWS {
            // Nobody is left who works on it: its time runs out.
            if self
                .stopped
                .contains(&(row.to_owned(), self.world.row(row).await.generation))
            {
                self.world.age_status(row, A_DAY).await;
            }
        }
        monitor::monitor(&self.world.pipeline).await.unwrap();
        self.everyone_works().await;
        let turns: BTreeSet<_> = self.executions.keys().map(|(_, name)| name.clone()).collect();
        for row in ROWS {
            let now = self.world.row(row).await;
            let reason = now.status_reason.clone().unwrap_or_default();
            if matches!(now.status, Status::Failed | Status::Destroyed)
                && self.world.pipeline.hosts.are_dedicated()
            {
                assert!(
                    !self.hosts.contains(&now.id),
                    "{row}: its host is left, {}: {reason}",
                    now.status
                );
            }
            let was_stopped = self.stopped.contains(&(row.to_owned(), now.generation));
            match self.asked[row] {
                _ if was_stopped && now.status == Status::Failed => {}
                Status::PendingDestroy => assert_eq!(now.status, Status::Destroyed, "{row}: {reason}"),
                Status::PendingDeploy => assert_eq!(now.status, Status::Deployed, "{row}: {reason}"),
                Status::Pausing => assert_eq!(now.status, Status::Paused, "{row}: {reason}"),
                // Of what was never deployed there is nothing to resume, but for what it asks itself.
                _ => assert_eq!(now.status, Status::Deployed, "{row}: {reason}"),
            }
            // A pause of what was never taken up may be settled by a word of a host's that nothing runs.
            let taken_up = now.generation > 0;
            assert!(
                !taken_up || turns.contains(&format!("{row}-{}", now.generation)),
                "{row}: its last request has its execution"
            );
        }
    }

    async fn everyone_works(&mut self) {
        for _ in 0..12 {
            self.deliver(usize::MAX, false).await;
            while self.executions.values().any(|(_, progress)| !progress.ended) {
                self.step(0, false).await;
            }
            for row in ROWS {
                self.host(row, true).await;
            }
            self.check().await;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn nothing_is_lost_and_nothing_is_done_twice(
        events in prop::collection::vec(event(), 0..60),
        dedicated: bool,
        deployed: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let mut model = Model::new(dedicated).await;
            if deployed {
                model.everyone_works().await;
            }
            for event in &events {
                model.happens(event).await;
            }
            model.settles().await;
        });
    }
}
