//! What Linux knows about a process and about this machine.

use std::fs;
use std::time::Instant;

use anyhow::Context;

/// `/proc` counts processor time in hundredths of a second on every Linux (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// User and system time that a process has used so far, all its threads together, in seconds.
fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    // The second field is the program's name in parentheses and may hold anything; the third is the state.
    let (_, rest) = stat.rsplit_once(')').context("no program name in the stat file")?;
    let mut times = rest.split_whitespace().skip(11).map(str::parse::<f64>);
    let (Some(user), Some(system)) = (times.next(), times.next()) else { anyhow::bail!("{path} is too short") };
    Ok((user? + system?) / TICKS_PER_SECOND)
}

/// What the processors have done so far for everybody, in seconds; time that a hypervisor took away counts as done.
fn machine_busy_seconds() -> anyhow::Result<f64> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().context("an empty /proc/stat")?;
    // cpu user nice system idle iowait irq softirq steal; what follows is in `user` already.
    let times: Vec<f64> = line.split_whitespace().skip(1).take(8).map(str::parse).collect::<Result<_, _>>()?;
    let idle: f64 = times.iter().skip(3).take(2).sum();
    Ok((times.iter().sum::<f64>() - idle) / TICKS_PER_SECOND)
}

/// A stretch of time in which a load generator, this process, drives a server.
pub(crate) struct Window {
    server_pid: u32,
    start: Instant,
    server: f64,
    generator: f64,
    machine: f64,
}

/// What the processors did in a window, in seconds.
pub(crate) struct Usage {
    pub(crate) elapsed: f64,
    pub(crate) server: f64,
    pub(crate) generator: f64,
    /// Work of everybody else on the machine.
    pub(crate) others: f64,
}

impl Window {
    pub(crate) fn open(server_pid: u32) -> anyhow::Result<Self> {
        let (server, generator) = (cpu_seconds(server_pid)?, cpu_seconds(std::process::id())?);
        Ok(Self { server_pid, start: Instant::now(), server, generator, machine: machine_busy_seconds()? })
    }

    pub(crate) fn close(&self) -> anyhow::Result<Usage> {
        let elapsed = self.start.elapsed().as_secs_f64();
        let server = cpu_seconds(self.server_pid)? - self.server;
        let generator = cpu_seconds(std::process::id())? - self.generator;
        let others = machine_busy_seconds()? - self.machine - server - generator;
        Ok(Usage { elapsed, server, generator, others: others.max(0.0) })
    }
}

pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// One line that says where figures come from.
pub(crate) fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("unknown", |(_, m)| m);
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    format!(
        "{} cores ({model}), Linux {}, load average before the run {}",
        cores(),
        kernel.trim(),
        load.split_whitespace().next().unwrap_or("unknown"),
    )
}
