//! Starts the servers, runs the rounds and hands the samples to the report.

use std::process::{ExitCode, Stdio};

use anyhow::{Context, ensure};

use crate::peers::Peer;
use crate::report::{self, Row, Sample, Subject};
use crate::servers::{Cofferdam, Contestant, Server, own_mode, wait_for_listener};
use crate::{Plan, cold, process};

/// One caller at a time shows latency, the other number shows throughput.
const CONNECTIONS: [usize; 2] = [1, 32];
const IN_FLIGHT: [usize; 2] = [1, 16];
/// Caches, connections and allocators settle in this share of the measured time.
const WARM_UP_SHARE: f64 = 0.2;

pub(crate) fn run(plan: &Plan) -> anyhow::Result<ExitCode> {
    ensure!(!cfg!(debug_assertions), "figures of a debug build mean nothing: use cargo bench");
    let session = Session::new(plan)?;
    println!("{}", process::machine());
    println!(
        "{} interleaved round(s) of {} s; ratios are taken within a round, figures are medians of the rounds",
        session.rounds, session.seconds
    );
    report::print_legend();

    let http = session.http()?;
    report::print_http(&http);
    let stdio = session.stdio()?;
    report::print_stdio(&stdio);
    report::print_cold_starts(&session.cold_starts()?);
    let all_met = report::print_targets(&http, &stdio);
    Ok(if plan.gate && !all_met { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

struct Session {
    rounds: usize,
    seconds: f64,
    cold_starts: usize,
    cofferdam: Option<Cofferdam>,
    /// Cofferdam's guests that are there.
    guests: Vec<Subject>,
}

impl Session {
    fn new(plan: &Plan) -> anyhow::Result<Self> {
        let (rounds, seconds, cold_starts) = if plan.quick { (1, 1.0, 3) } else { (plan.rounds, plan.seconds, plan.cold_starts) };
        ensure!(rounds > 0 && seconds > 0.0, "nothing to measure");
        let guests = [(Subject::Bare, &plan.guest_bare), (Subject::Sdk, &plan.guest_sdk)];
        let guests: Vec<Subject> = guests.into_iter().filter(|(_, path)| path.is_some()).map(|(subject, _)| subject).collect();
        let cofferdam = if guests.is_empty() {
            println!("Cofferdam is left out: neither --guest-bare nor --guest-sdk is given");
            None
        } else {
            Some(Cofferdam::new(plan)?)
        };
        Ok(Self { rounds, seconds, cold_starts, cofferdam, guests })
    }

    /// The peers, then Cofferdam's guests.
    fn subjects(&self, peers: &[Subject]) -> Vec<Subject> {
        [peers, &self.guests].concat()
    }

    fn http(&self) -> anyhow::Result<Vec<Row>> {
        let mut hyper = Peer::Hyper.spawn()?;
        let mut rmcp = Peer::RmcpHttp.spawn()?;
        wait_for_listener(&mut hyper)?;
        wait_for_listener(&mut rmcp)?;
        let cofferdam = self.cofferdam.as_ref().map(Cofferdam::serve).transpose()?;
        let server = |subject| match subject {
            Subject::Hyper => Ok(&hyper),
            Subject::Rmcp | Subject::RmcpBlocking => Ok(&rmcp),
            Subject::Bare | Subject::Sdk | Subject::BareInSession | Subject::Kept => {
                cofferdam.as_ref().context("Cofferdam runs when there are guests")
            }
        };
        let mut subjects = self.subjects(&[Subject::Hyper, Subject::Rmcp]);
        subjects.extend(self.guests.contains(&Subject::Bare).then_some(Subject::BareInSession));
        subjects.extend(self.guests.contains(&Subject::Sdk).then_some(Subject::Kept));
        self.rounds(&CONNECTIONS, &subjects, |subject, connections| {
            self.http_round(server(subject)?, subject, connections).with_context(|| self.cofferdam_log(subject))
        })
    }

    fn http_round(&self, server: &Server, subject: Subject, connections: usize) -> anyhow::Result<Sample> {
        let (address, pid) = (server.address().to_string(), server.pid().to_string());
        let connections = connections.to_string();
        let mut arguments =
            vec!["load-http", "--address", &address, "--pid", &pid, "--connections", &connections, "--tool", subject.tool()];
        if subject == Subject::BareInSession {
            arguments.push("--session");
        }
        self.load(&arguments, &[])
    }

    fn cofferdam_log(&self, subject: Subject) -> String {
        match &self.cofferdam {
            Some(cofferdam) if self.guests.contains(&subject) => {
                format!("{}; the server said:\n{}", subject.label(), cofferdam.log())
            }
            _ => subject.label().to_owned(),
        }
    }

    fn stdio(&self) -> anyhow::Result<Vec<Row>> {
        let peer = |name: &str| anyhow::Ok(vec![std::env::current_exe()?.display().to_string(), "peer".to_owned(), name.to_owned()]);
        let (rmcp, rmcp_blocking) = (peer("rmcp-stdio")?, peer("rmcp-stdio-blocking")?);
        let cofferdam = self.cofferdam.as_ref().map(Cofferdam::stdio_command).transpose()?.unwrap_or_default();
        let subjects = self.subjects(&[Subject::Rmcp, Subject::RmcpBlocking]);
        self.rounds(&IN_FLIGHT, &subjects, |subject, in_flight| {
            let command = match subject {
                Subject::Rmcp => &rmcp,
                Subject::RmcpBlocking => &rmcp_blocking,
                _ => &cofferdam,
            };
            let in_flight = in_flight.to_string();
            self.load(&["load-stdio", "--in-flight", &in_flight, "--tool", subject.tool()], command)
                .with_context(|| subject.label().to_owned())
        })
    }

    /// Every concurrency, every round, every subject, in this order.
    fn rounds(
        &self,
        concurrencies: &[usize],
        subjects: &[Subject],
        sample: impl Fn(Subject, usize) -> anyhow::Result<Sample>,
    ) -> anyhow::Result<Vec<Row>> {
        let mut rows = Vec::new();
        for concurrency in concurrencies {
            let first = rows.len();
            rows.extend(subjects.iter().map(|subject| Row::new(*subject, *concurrency)));
            for _ in 0..self.rounds {
                for row in &mut rows[first..] {
                    row.samples.push(sample(row.subject, *concurrency)?);
                }
            }
        }
        Ok(rows)
    }

    /// Runs the load generator in a process of its own.
    fn load(&self, arguments: &[&str], server: &[String]) -> anyhow::Result<Sample> {
        let warm_up = (self.seconds * WARM_UP_SHARE).to_string();
        let mut command = own_mode(arguments)?;
        command.args(["--warm-up-seconds", &warm_up, "--seconds", &self.seconds.to_string()]);
        if !server.is_empty() {
            command.arg("--").args(server);
        }
        let output = command.stdin(Stdio::null()).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Interleaved too. Cofferdam's code cache is warm: it has served before.
    fn cold_starts(&self) -> anyhow::Result<Vec<(Subject, Vec<f64>)>> {
        let mut starts: Vec<(Subject, Vec<f64>)> =
            self.subjects(&[Subject::Hyper, Subject::Rmcp]).into_iter().map(|subject| (subject, Vec::new())).collect();
        for _ in 0..self.cold_starts {
            for (subject, times) in &mut starts {
                let contestant: &dyn Contestant = match (&subject, &self.cofferdam) {
                    (Subject::Hyper, _) => &Peer::Hyper,
                    (Subject::Bare | Subject::Sdk, Some(cofferdam)) => cofferdam,
                    _ => &Peer::RmcpHttp,
                };
                times.push(cold::start_ms(contestant, subject.tool()).with_context(|| self.cofferdam_log(*subject))?);
            }
        }
        Ok(starts)
    }
}
