//! Follows the log files in the folder that it is granted, finds recent lines in them, and takes alerts by webhook.

mod alert;
mod folder;
mod lines;
mod look;
#[cfg(test)]
mod scratch;
mod severity;
mod tail;
mod time;

#[cofferdam_plugin::plugin(
    title = "Logs",
    instructions = "Reads the log files of one folder. `recent` finds lines by severity or pattern, `around` shows what happened around one of \
                    them, `files` lists what there is. Subscribe to the topic `lines` to be told of new ones.",
    topic(name = "lines", title = "New lines of the logs", retained = 200),
    topic(name = "alerts", title = "Alerts of other systems", retained = 100, event = Alert)
)]
mod logs {
    use crate::alert::alerts;
    use crate::folder::{self, LogFile};
    use crate::look;
    use crate::severity::{Said, level};
    use crate::tail::{self, Tail};
    use cofferdam_plugin::prelude::*;
    use cofferdam_plugin::serde_json::{Map, Value};
    use regex_lite::{Regex, RegexBuilder};
    use std::io;
    use std::path::Path;
    use std::time::{Duration, Instant};

    /// Where the granted folder is.
    const FOLDER: &str = "/logs";
    /// Lines of one answer: a model reads no more of them at once.
    const LIMIT_MAX: usize = 200;
    /// Files that are looked through when none is named: the ones that were changed last.
    const FILES_MAX: usize = 24;
    /// Texts of one answer together.
    const ANSWER_BYTES_MAX: usize = 512 * 1024;
    /// Between two looks of the feed, and for each entry of the folder.
    const PAUSE: Duration = Duration::from_millis(200);
    const PAUSE_FOR_EACH: Duration = Duration::from_millis(4);

    // === the feed ===

    /// One line of a log
    #[derive(Clone, Serialize, JsonSchema)]
    struct Line {
        /// The file's name
        file: String,
        /// The line's number, from 1; null in a file so large that its lines are not counted
        line: Option<u64>,
        /// Where the line begins in the file, in bytes: `around` takes it
        offset: u64,
        /// The line, without colours
        text: String,
        /// When it was written, in UTC, if the line says so
        #[serde(skip_serializing_if = "Option::is_none")]
        time: Option<String>,
        /// True when the line was longer than what is here
        #[serde(skip_serializing_if = "core::ops::Not::not")]
        #[schemars(default)]
        cut: bool,
    }

    impl Line {
        fn new(line: tail::Line) -> Self {
            let (piece, time) = (line.piece, line.said.time_ms.map(rfc3339));
            Self { file: line.file, line: piece.number, offset: piece.offset, text: piece.text, time, cut: piece.cut }
        }
    }

    struct Lines {
        tail: Tail,
        filters: Filters,
    }

    impl Feed for Lines {
        type Event = Line;

        fn next(&mut self, timeout: Duration) -> Result<Option<Vec<Event<Line>>>> {
            let until = Instant::now() + timeout;
            loop {
                let lines = self.tail.look().map_err(|error| unreadable(&error))?;
                if !lines.is_empty() {
                    let wanted = |said: &Said| said.severity.is_none_or(|severity| self.filters.takes("severity", severity));
                    return Ok(Some(lines.into_iter().filter(|line| wanted(&line.said)).map(event).collect()));
                }
                let pause = PAUSE + PAUSE_FOR_EACH * u32::try_from(self.tail.entries()).unwrap_or(u32::MAX);
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Ok(Some(Vec::new()));
                }
                std::thread::sleep(pause.min(left));
            }
        }
    }

    fn event(line: tail::Line) -> Event<Line> {
        let severity = line.said.severity.map(str::to_owned);
        let mut event = Event::new(Line::new(line)).kind("line");
        event.source = Some(event.data.file.clone());
        event.severity = severity;
        event
    }

    /// Lines as they are written to the log files, from now on. `source` is the file's name, `severity` one of trace, debug, info, notice,
    /// warning, error, critical, alert and emergency, as far as a line says.
    #[feed(topic = "lines")]
    fn lines(filters: Filters) -> Result<Lines> {
        let tail = Tail::open(Path::new(FOLDER), filters.clone()).map_err(|error| unreadable(&error))?;
        Ok(Lines { tail, filters })
    }

    // === the webhook ===

    /// An alert of another system
    #[derive(Serialize, JsonSchema)]
    struct Alert {
        /// What is wrong
        text: String,
        /// Such as firing or resolved
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<String>,
        /// The alert as it was sent
        #[serde(skip_serializing_if = "Option::is_none")]
        details: Option<Value>,
    }

    /// Alerts as Alertmanager and Grafana send them, or one JSON object with a `message`, and if it likes a `severity` and a `source`.
    #[webhook(topic = "alerts")]
    fn alerted(webhook: &Webhook) -> Result<Vec<Event<Alert>>> {
        let body: Map<String, Value> = webhook.json()?;
        let alerts = alerts(&body).ok_or_else(|| Failure::invalid("an alert has a text as its `message`, or a list `alerts`"))?;
        let event = |alert: crate::alert::Alert| {
            let mut event = Event::new(Alert { text: alert.text, status: alert.status, details: alert.details }).kind("alert");
            (event.source, event.severity) = (alert.source, alert.severity);
            event
        };
        Ok(alerts.into_iter().map(event).collect())
    }

    // === the queries ===

    /// A line and how serious it is
    #[derive(Serialize, JsonSchema)]
    struct Found {
        #[serde(flatten)]
        line: Line,
        /// If the line says so
        #[serde(skip_serializing_if = "Option::is_none")]
        severity: Option<String>,
    }

    #[derive(Serialize, JsonSchema)]
    struct Answer {
        /// In the order in which they were written
        lines: Vec<Found>,
    }

    impl Answer {
        /// Drops the oldest lines when there are too many.
        fn new(lines: Vec<tail::Line>) -> Json<Self> {
            let mut room = ANSWER_BYTES_MAX;
            let fits = |line: &tail::Line| {
                let left = room.checked_sub(line.piece.text.len());
                room = left.unwrap_or(0);
                left.is_some()
            };
            let mut lines: Vec<_> = lines.into_iter().rev().take_while(fits).map(found).collect();
            lines.reverse();
            Json(Self { lines })
        }
    }

    fn found(line: tail::Line) -> Found {
        let severity = line.said.severity.map(str::to_owned);
        Found { line: Line::new(line), severity }
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Recent {
        /// Only this file; left out, the files that were changed last
        file: Option<String>,
        /// Only lines of these severities: trace, debug, info, notice, warning, error, critical, alert, emergency
        #[schemars(length(min = 1, max = 9))]
        severity: Option<Vec<String>>,
        /// A regular expression that is found in the line, such as (?i)timeout
        #[schemars(length(max = 500))]
        pattern: Option<String>,
        /// No more than this many lines, up to 200; 50 unless told otherwise
        limit: Option<usize>,
    }

    /// Finds the newest lines of the logs, all of them or those of a severity or with a pattern. Large files are looked at from their end: a line
    /// that is megabytes away is not found.
    #[query(title = "Recent log lines", open_world = false)]
    fn recent(recent: Recent) -> Result<Json<Answer>> {
        recent_in(Path::new(FOLDER), recent)
    }

    fn recent_in(folder: &Path, recent: Recent) -> Result<Json<Answer>> {
        let limit = recent.limit.unwrap_or(50).clamp(1, LIMIT_MAX);
        let pattern = recent.pattern.as_deref().map(compiled).transpose()?;
        let severities = recent.severity.as_deref().map(levels).transpose()?;
        let (files, spans) = match recent.file {
            Some(name) => (vec![named(folder, name)?], usize::MAX),
            None => (newest(folder)?, 1),
        };
        let mut all = Vec::new();
        for file in files {
            let takes = |piece: &crate::lines::Piece, said: Said| {
                severities.as_ref().is_none_or(|wanted| said.severity.is_some_and(|own| wanted.contains(&own)))
                    && pattern.as_ref().is_none_or(|pattern| pattern.is_match(&piece.text))
            };
            let lines = look::last(folder, &file, limit, spans, takes).map_err(|error| unreadable(&error))?;
            // Lines without a time belong to the one before, or to when the file was changed.
            let mut time = lines.iter().find_map(|line| line.said.time_ms).unwrap_or(file.changed_ms);
            for line in lines {
                time = line.said.time_ms.unwrap_or(time);
                all.push((time, line));
            }
        }
        all.sort_by_key(|(time, _)| *time);
        let first = all.len().saturating_sub(limit);
        Ok(Answer::new(all.into_iter().skip(first).map(|(_, line)| line).collect()))
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Around {
        /// The file's name
        file: String,
        /// The number of the line; or say `offset`, which is faster and works in files of any size
        line: Option<u64>,
        /// Where the line begins, as events and answers have it
        offset: Option<u64>,
        /// How many lines before it, up to 100; 10 unless told otherwise
        before: Option<usize>,
        /// How many lines after it, up to 100; 10 unless told otherwise
        after: Option<usize>,
    }

    /// Shows the lines around one line: what happened before it and after it in the same file.
    #[query(title = "Lines around a line", open_world = false)]
    fn around(around: Around) -> Result<Json<Answer>> {
        around_in(Path::new(FOLDER), around)
    }

    fn around_in(folder: &Path, around: Around) -> Result<Json<Answer>> {
        let file = named(folder, around.file)?;
        let offset = match (around.offset, around.line) {
            (Some(offset), _) => Some(offset).filter(|&offset| offset < file.bytes),
            (None, Some(line)) => look::offset_of(folder, &file, line).map_err(|error| unreadable(&error))?,
            (None, None) => return Err(Failure::invalid("say which line: its `offset` or its number as `line`")),
        };
        let beyond = || Failure::not_found(format!("{} has no such line now, or it is too far from the beginning to count to", file.name));
        let lines = |count: Option<usize>| count.unwrap_or(10).min(LIMIT_MAX / 2);
        let counts = (lines(around.before), lines(around.after));
        let lines = look::around(folder, &file, offset.ok_or_else(beyond)?, counts).map_err(|error| unreadable(&error))?;
        Ok(Answer::new(lines))
    }

    #[derive(Serialize, JsonSchema)]
    struct Files {
        files: Vec<File>,
    }

    #[derive(Serialize, JsonSchema)]
    struct File {
        name: String,
        bytes: u64,
        /// When it was changed last, in UTC
        changed: String,
    }

    /// Lists the log files, the ones that were changed last first.
    #[query(title = "Log files", open_world = false)]
    fn files() -> Result<Json<Files>> {
        let mut files = folder::list(Path::new(FOLDER)).map_err(|error| unreadable(&error))?.files;
        files.sort_by(|a, b| b.changed_ms.cmp(&a.changed_ms));
        let file = |file: LogFile| File { name: file.name, bytes: file.bytes, changed: rfc3339(file.changed_ms) };
        Ok(Json(Files { files: files.into_iter().map(file).collect() }))
    }

    fn newest(folder: &Path) -> Result<Vec<LogFile>> {
        let mut files = folder::list(folder).map_err(|error| unreadable(&error))?.files;
        files.sort_by(|a, b| b.changed_ms.cmp(&a.changed_ms));
        files.truncate(FILES_MAX);
        Ok(files)
    }

    fn named(folder: &Path, name: String) -> Result<LogFile> {
        let missing = format!("there is no log file {name:?}; `files` lists them");
        if !folder::is_log(&name) {
            return Err(Failure::not_found(missing));
        }
        folder::stat(folder, name).map_err(|_| Failure::not_found(missing))
    }

    fn compiled(pattern: &str) -> Result<Regex> {
        let regex = RegexBuilder::new(pattern).size_limit(256 * 1024).build();
        regex.map_err(|error| Failure::invalid(format!("the pattern is no regular expression that can be used here: {error}")))
    }

    fn levels(names: &[String]) -> Result<Vec<&'static str>> {
        let known = |name: &String| level(name).ok_or_else(|| Failure::invalid(format!("{name:?} is no severity that is known here")));
        names.iter().map(known).collect()
    }

    fn unreadable(error: &io::Error) -> Failure {
        Failure::unavailable(format!("the folder of logs cannot be read: {error}"))
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use crate::scratch::Scratch;
        use cofferdam_plugin::testing::Client;

        fn texts(answer: Result<Json<Answer>>) -> Vec<String> {
            answer.unwrap().0.lines.into_iter().map(|found| found.line.text).collect()
        }

        fn recent(logs: &Scratch, arguments: Value) -> Result<Json<Answer>> {
            recent_in(logs.path(), cofferdam_plugin::serde_json::from_value(arguments).unwrap())
        }

        fn around(logs: &Scratch, arguments: Value) -> Result<Json<Answer>> {
            around_in(logs.path(), cofferdam_plugin::serde_json::from_value(arguments).unwrap())
        }

        #[test]
        fn recent_lines_of_all_files_are_in_the_order_of_their_times() {
            let logs = Scratch::new("recent");
            logs.write("a.log", "2026-07-28T09:00:00Z ERROR a1\n  at x\n2026-07-28T09:02:00Z INFO a2\n");
            logs.write("b.log", "2026-07-28T09:01:00Z WARN b1\n2026-07-28T09:03:00Z ERROR b2 timeout\n");
            assert_eq!(texts(recent(&logs, json!({}))).len(), 5);
            let errors = texts(recent(&logs, json!({"severity": ["err"]})));
            assert_eq!(errors, ["2026-07-28T09:00:00Z ERROR a1", "  at x", "2026-07-28T09:03:00Z ERROR b2 timeout"]);
            assert_eq!(texts(recent(&logs, json!({"pattern": "(?i)TIME", "limit": 1}))), ["2026-07-28T09:03:00Z ERROR b2 timeout"]);
            assert_eq!(texts(recent(&logs, json!({"file": "a.log", "limit": 1}))), ["2026-07-28T09:02:00Z INFO a2"]);
            for (arguments, message) in [
                (json!({"file": "../a.log"}), "no log file"),
                (json!({"file": "c.log"}), "no log file"),
                (json!({"pattern": "("}), "no regular expression"),
                (json!({"severity": ["loud"]}), "no severity"),
            ] {
                assert!(recent(&logs, arguments).err().unwrap().message().contains(message), "{message}");
            }
        }

        #[test]
        fn answers_are_bounded() {
            let logs = Scratch::new("bounded");
            logs.write("a.log", &format!("{}\n", "x".repeat(8000)).repeat(300));
            assert_eq!(texts(recent(&logs, json!({"file": "a.log", "limit": 1000}))).len(), ANSWER_BYTES_MAX / 8000);
        }

        #[test]
        fn lines_around_an_event() {
            let logs = Scratch::new("event");
            logs.write("a.log", "one\ntwo\nthree\nfour\n");
            assert_eq!(texts(around(&logs, json!({"file": "a.log", "line": 3, "before": 1, "after": 0}))), ["two", "three"]);
            assert_eq!(texts(around(&logs, json!({"file": "a.log", "offset": 4, "before": 0, "after": 1}))), ["two", "three"]);
            assert!(around(&logs, json!({"file": "a.log", "line": 9})).is_err() && around(&logs, json!({"file": "a.log"})).is_err());
        }

        #[test]
        fn a_feed_tells_lines_with_their_source_and_severity() {
            let logs = Scratch::new("feed");
            logs.write("a.log", "");
            let filters = json!({"source": "a.log", "severity": ["error", "warning"]});
            let filters: Filters = cofferdam_plugin::serde_json::from_value(filters).unwrap();
            let mut feed = Lines { tail: Tail::open(logs.path(), filters.clone()).unwrap(), filters };
            assert!(feed.next(Duration::from_millis(1)).unwrap().unwrap().is_empty());
            logs.append("a.log", "2026-07-28T09:00:00Z ERROR x\nINFO y\n");
            logs.append("b.log", "ERROR z\n");
            let events = feed.next(Duration::from_secs(5)).unwrap().unwrap();
            let [event] = &events[..] else { panic!("{}", events.len()) };
            let envelope = (event.source.as_deref(), event.severity.as_deref(), event.kind.as_deref());
            assert_eq!(envelope, (Some("a.log"), Some("error"), Some("line")));
            let expected = json!({"file": "a.log", "line": 1, "offset": 0, "text": "2026-07-28T09:00:00Z ERROR x", "time": "2026-07-28T09:00:00.000Z"});
            assert_eq!(cofferdam_plugin::serde_json::to_value(&event.data).unwrap(), expected);
        }

        #[test]
        fn alerts_become_events_and_the_catalog_has_both_topics() {
            let client = Client::<Plugin>::new();
            let body =
                json!({"alerts": [{"status": "firing", "labels": {"alertname": "Full", "severity": "critical", "instance": "db1"}}]});
            let [event] = &client.webhook("alerts", &[], body.to_string()).unwrap()[..] else { panic!() };
            assert_eq!(
                (&event.data["text"], event.severity.as_deref(), event.source.as_deref()),
                (&json!("Full"), Some("critical"), Some("db1"))
            );
            assert!(client.webhook("alerts", &[], "{}").is_err() && client.webhook("alerts", &[], "[]").is_err());
            let topics: Vec<_> = client.catalog().topics.iter().map(|topic| (topic.name.clone(), topic.feed)).collect();
            assert_eq!(topics, [("lines".to_owned(), true), ("alerts".to_owned(), false)]);
        }
    }
}
