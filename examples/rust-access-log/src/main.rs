//! Sums up a web server's access log in the common log format: requests by status class,
//! bytes sent, and lines that are no log lines.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Event {
    log: String,
}

#[derive(Serialize, Default)]
struct Summary {
    statuses: BTreeMap<String, u64>,
    bytes: u64,
    unreadable: u64,
}

/// Finds status and size: the two words behind the quoted request line.
fn parse(line: &str) -> Option<(u16, u64)> {
    let mut words = line.rsplit_once("\" ")?.1.split_whitespace();
    Some((words.next()?.parse().ok()?, words.next()?.parse().unwrap_or(0)))
}

async fn sum_up(event: LambdaEvent<Event>) -> Result<Summary, Error> {
    let mut summary = Summary::default();
    for line in event.payload.log.lines() {
        match parse(line) {
            Some((status, bytes)) => {
                *summary.statuses.entry(format!("{}xx", status / 100)).or_default() += 1;
                summary.bytes += bytes;
            }
            None => summary.unreadable += 1,
        }
    }
    println!("{} bytes were sent", summary.bytes);
    Ok(summary)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(sum_up)).await
}
