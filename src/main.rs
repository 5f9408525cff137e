//! The `datapin` program.

use std::io::Write;
use std::process::ExitCode;

use datapin::cli::stage::CommandError;
use datapin::cli::{
    Cli, Command, adopt, edge, init, look, man, merge_request, output, promote, queue, report as reports,
    runs, step,
};
use datapin::exit::Exit;
use datapin::{config, demo, report};

fn main() -> ExitCode {
    let cli = match Cli::from_args() {
        Ok(cli) => cli,
        Err(error) => {
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    trace(cli.common.verbose);
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&cli, &CommandError::Missing(format!("no runtime: {error}"))),
    };
    let done = runtime.block_on(command(&cli));
    // A git operation that hangs in a thread of its own must not keep the process alive.
    runtime.shutdown_background();
    match done {
        Ok(exit) => exit.into(),
        Err(error) => fail(&cli, &error),
    }
}

fn fail(cli: &Cli, error: &CommandError) -> ExitCode {
    let color = match std::env::var_os("NO_COLOR") {
        Some(_) => report::Color::Never,
        None => edge::look(&cli.common).color,
    };
    let text = match error {
        CommandError::Edge(edge::EdgeError::Config(errors)) => errors.to_string(),
        error => report::error(error, None, color),
    };
    let _ = std::io::stderr().write_all(text.as_bytes());
    error.exit().into()
}

async fn command(cli: &Cli) -> Result<Exit, CommandError> {
    let common = &cli.common;
    match &cli.command {
        Command::Deploy(args) => runs::deploy(common, args).await,
        Command::Adopt(args) => adopt::adopt(common, args).await,
        Command::Propose(args) => merge_request::propose(common, args).await,
        Command::Rollback(args) => runs::rollback(common, args).await,
        Command::Promote(args) => Box::pin(promote::promote(common, args)).await,
        Command::Step(args) => step::step(common, args).await,
        Command::Cancel(args) => runs::cancel(common, args).await,
        Command::Approve(args) => runs::approve(common, args).await,
        Command::Resume(args) => runs::resume(common, args).await,
        Command::Reconcile(args) => runs::reconcile(common, args).await,
        Command::Queue(args) => queue::queue(common, args).await,
        Command::Reject(args) => queue::reject(common, args).await,
        Command::Allow(args) => queue::allow(common, args).await,
        Command::Status(args) => look::status(common, args).await,
        Command::History(args) => look::history(common, args).await,
        Command::Report(args) => reports::report(common, args).await,
        Command::Check(args) => look::check(common, args).await,
        Command::Init(args) => init::init(common, args).await,
        Command::Schema => {
            output::emit(&format!("{:#}\n", config::schema()));
            Ok(Exit::Ok)
        }
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut Cli::shown(), "datapin", &mut std::io::stdout());
            Ok(Exit::Ok)
        }
        Command::Man => {
            let page = man::page().map_err(|error| CommandError::Missing(error.to_string()))?;
            output::emit(&String::from_utf8_lossy(&page));
            Ok(Exit::Ok)
        }
        Command::Demo(args) => demo::demo(args).await,
        Command::DemoPart(part) => demo::part(part).await,
    }
}

fn trace(verbose: u8) {
    let level = match verbose {
        // libraries log what datapin tells anyway, in words of its own
        0 => "datapin=warn",
        1 => "datapin=debug",
        _ => "datapin=trace,info",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("DATAPIN_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();
}
