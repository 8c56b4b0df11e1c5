use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Event {
    name: Option<String>,
}

#[derive(Serialize)]
struct Answer {
    message: String,
    from: &'static str,
}

async fn greet(event: LambdaEvent<Event>) -> Result<Answer, Error> {
    let name = event.payload.name.unwrap_or_else(|| "world".into());
    println!("greeting {name}");
    Ok(Answer { message: format!("Hello, {name}!"), from: "Rust" })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(greet)).await
}
