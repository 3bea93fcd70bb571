//! The worker that the tests start: this test program, asked for the one ignored test below.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use safelight_lambda_host::worker;
use serde_json::{Value, json};

/// The arguments that make this program a worker.
pub const ARGUMENTS: [&str; 5] = [
    "worker::worker_process",
    "--exact",
    "--ignored",
    "--nocapture",
    "--test-threads=1",
];

static INVOCATIONS: AtomicU64 = AtomicU64::new(0);

#[test]
#[ignore = "not a test: the worker process of the others"]
fn worker_process() {
    let variable = |name: &str| std::env::var(name).ok();
    if variable("AWS_LAMBDA_RUNTIME_API").is_none() {
        return;
    }
    worker::die_with_parent().unwrap();
    match variable("WORKER_INIT").as_deref() {
        Some("exit") => {
            eprintln!("cannot read the model");
            std::process::exit(7);
        }
        Some("hang") => park(),
        Some("unlimited") => {}
        _ => {
            let memory = variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").unwrap();
            worker::limit_self(memory.parse().unwrap()).unwrap();
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime
        .block_on(lambda_runtime::run(service_fn(handle)))
        .unwrap();
}

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Diagnostic> {
    let (event, context) = event.into_parts();
    let count = INVOCATIONS.fetch_add(1, Ordering::Relaxed);
    let number = |name: &str| event.get(name).and_then(Value::as_u64).unwrap_or(0);
    match event.get("do").and_then(Value::as_str).unwrap_or("echo") {
        "error" => {
            return Err(Diagnostic {
                error_type: "Image.Truncated".to_owned(),
                error_message: "the file ends before its pixels do".to_owned(),
            });
        }
        "panic" => panic!("a bug in the handler"),
        "exit" => {
            eprintln!("about to exit");
            std::process::exit(i32::try_from(number("code")).unwrap());
        }
        "abort" => std::process::abort(),
        "hang" => park(),
        "leak" => leak(),
        "allocate" => {
            let huge: Vec<u8> = Vec::with_capacity(usize::try_from(number("bytes")).unwrap());
            std::hint::black_box(&huge);
        }
        "string" => {
            return Ok(Value::String(
                "x".repeat(usize::try_from(number("bytes")).unwrap()),
            ));
        }
        "hold" => hold(number("port"), std::process::id()),
        "abandon" => {
            // A grandchild that holds the pipes and would outlive us.
            let grandchild = Command::new("sleep").arg("600").spawn().unwrap();
            hold(number("port"), grandchild.id());
            std::process::exit(1);
        }
        _ => {}
    }
    Ok(json!({
        "event": event,
        "count": count,
        "pid": std::process::id(),
        "api": std::env::var("AWS_LAMBDA_RUNTIME_API").unwrap(),
        "request_id": context.request_id,
        "arn": context.invoked_function_arn,
        "memory": context.env_config.memory,
    }))
}

/// Tells the test a process id, and waits until it answers.
fn hold(port: u64, process: u32) {
    let mut stream = TcpStream::connect(("127.0.0.1", u16::try_from(port).unwrap())).unwrap();
    stream.write_all(&process.to_be_bytes()).unwrap();
    let mut released = [0];
    stream.read_exact(&mut released).unwrap();
}

fn park() -> ! {
    loop {
        std::thread::park();
    }
}

fn leak() -> ! {
    loop {
        let mut block = vec![0_u8; 1024 * 1024];
        for page in block.chunks_mut(4096) {
            page[0] = 1;
        }
        std::mem::forget(std::hint::black_box(block));
    }
}
