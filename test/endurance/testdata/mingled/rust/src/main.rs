use std::collections::HashMap;
use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde::Deserialize;

#[derive(Deserialize)]
struct Event {
    id: String,
    what: String,
}

async fn handler(event: LambdaEvent<Event>) -> Result<HashMap<&'static str, String>, Error> {
    let Event { id, what } = event.payload;
    println!("doing {id}");
    tokio::time::sleep(Duration::from_millis(2)).await;
    match what.as_str() {
        "fail" => return Err(id.into()),
        "exit" => std::process::exit(3),
        "sleep" => tokio::time::sleep(Duration::from_secs(60)).await,
        _ => {}
    }
    Ok(HashMap::from([("id", id)]))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(handler)).await
}
