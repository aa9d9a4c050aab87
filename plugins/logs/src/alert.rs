//! What monitoring systems send: Alertmanager and Grafana with several alerts in one request, and the many that send one object.

use crate::severity;
use cofferdam_plugin::serde_json::{Map, Value};

/// Alerts of one request.
const ALERTS_MAX: usize = 100;
/// What an alert says in words.
const TEXT_BYTES_MAX: usize = 8 * 1024;
/// What comes with it.
const DETAILS_BYTES_MAX: usize = 32 * 1024;

/// One alert.
#[derive(Debug, PartialEq)]
pub(crate) struct Alert {
    pub(crate) text: String,
    /// `firing`, `resolved`, or whatever the sender calls it.
    pub(crate) status: Option<String>,
    /// As it was sent, unless it is too large.
    pub(crate) details: Option<Value>,
    pub(crate) source: Option<String>,
    pub(crate) severity: Option<String>,
}

/// The alerts of a request's body; none when it has nothing to say.
pub(crate) fn alerts(body: &Map<String, Value>) -> Option<Vec<Alert>> {
    match body.get("alerts") {
        Some(Value::Array(alerts)) => Some(alerts.iter().filter_map(Value::as_object).filter_map(alert).take(ALERTS_MAX).collect()),
        _ => alert(body).map(|alert| vec![alert]),
    }
}

fn alert(members: &Map<String, Value>) -> Option<Alert> {
    let empty = Map::new();
    let part = |name: &str| members.get(name).and_then(Value::as_object).unwrap_or(&empty);
    let (labels, notes) = (part("labels"), part("annotations"));
    let text = first(notes, &["summary", "message", "description"])
        .or_else(|| first(members, &["message", "text", "summary", "title", "description", "error"]))
        .or_else(|| first(labels, &["alertname"]))?;
    let severity = severity::of_members(labels).or_else(|| severity::of_members(members)).map(str::to_owned);
    let details = Value::Object(members.clone());
    Some(Alert {
        text: text
            .chars()
            .scan(0, |bytes, c| {
                *bytes += c.len_utf8();
                (*bytes <= TEXT_BYTES_MAX).then_some(c)
            })
            .collect(),
        status: first(members, &["status", "state"]),
        details: (details.to_string().len() <= DETAILS_BYTES_MAX).then_some(details),
        source: first(labels, &["instance", "service", "job", "host"])
            .or_else(|| first(members, &["source", "service", "host", "instance"])),
        severity: severity.or_else(|| first(labels, &["severity"])).or_else(|| first(members, &["severity"])),
    })
}

fn first(members: &Map<String, Value>, names: &[&str]) -> Option<String> {
    names.iter().find_map(|&name| members.get(name)?.as_str()).filter(|text| !text.trim().is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cofferdam_plugin::prelude::json;

    fn told(body: Value) -> Vec<(String, Option<String>, Option<String>, Option<String>)> {
        let alerts = alerts(body.as_object().unwrap()).unwrap_or_default();
        alerts.into_iter().map(|alert| (alert.text, alert.status, alert.source, alert.severity)).collect()
    }

    #[test]
    fn alerts_come_alone_or_in_lists() {
        let some = |text: &str| Some(text.to_owned());
        let labels = json!({"alertname": "DiskFull", "instance": "db1:9100", "severity": "page"});
        let body = json!({"status": "firing", "alerts": [
            {"status": "firing", "labels": labels, "annotations": {"summary": "Disk of db1 is full"}},
            {"status": "resolved", "labels": {"alertname": "Slow", "severity": "warning"}},
            "nonsense", {},
        ]});
        let expected = [
            ("Disk of db1 is full".to_owned(), some("firing"), some("db1:9100"), some("page")),
            ("Slow".to_owned(), some("resolved"), None, some("warning")),
        ];
        assert_eq!(told(body), expected);
        let one = told(json!({"message": "it broke", "level": "ERR", "service": "shop"}));
        assert_eq!(one, [("it broke".to_owned(), None, some("shop"), some("error"))]);
        assert!(told(json!({"message": " ", "a": 1})).is_empty());
    }

    #[test]
    fn alerts_are_bounded() {
        let body = json!({"text": "ä".repeat(TEXT_BYTES_MAX), "more": "x".repeat(DETAILS_BYTES_MAX)});
        let alerts = alerts(body.as_object().unwrap()).unwrap();
        assert_eq!((alerts[0].text.len(), &alerts[0].details), (TEXT_BYTES_MAX, &None));
    }
}
