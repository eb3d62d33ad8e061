//! `agents run`.

use crate::{
    args::RunArgs,
    compose::{Layout, Runtime, Start},
    error::CliError,
    exit::Exit,
};
use foureyes_config::sections::{delivery::Builtin, run::Task};
use foureyes_ports::governance::{Draft, Governance};
use foureyes_protocol::{
    Address, FeatureId, PrincipalId,
    body::{Answer, FeatureRequested},
};
use std::{path::PathBuf, process::ExitCode};

/// Starts the runtime.
///
/// # Errors
/// What keeps it from starting.
pub fn run(args: &RunArgs) -> Result<ExitCode, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| CliError::new(Exit::Internal, e.to_string()))?;
    runtime.block_on(live(args))
}

async fn live(args: &RunArgs) -> Result<ExitCode, CliError> {
    let internal = |e: &dyn std::fmt::Display| CliError::new(Exit::Internal, e.to_string());
    let asked = args.config.as_deref().unwrap_or(".agents/config.yaml");
    let text = std::fs::read_to_string(asked).map_err(|e| internal(&e))?;
    let config = foureyes_config::load(&text, asked).map_err(|e| internal(&e))?;
    let root =
        PathBuf::from(std::env::var_os("AGENTS_STATE_DIR").unwrap_or_else(|| "/var/lib/agents/demo".into()));
    std::fs::create_dir_all(&root).map_err(|e| internal(&e))?;
    let user_repo = match (&args.repo, config.repository.builtin) {
        (Some(repo), _) => repo.clone(),
        (None, Some(Builtin::Demo)) => demo_repo(&root.join("demo"))?,
        (None, None) => std::env::current_dir().map_err(|e| internal(&e))?,
    };
    let tasks = config.tasks.clone();
    let started = tokio::time::Instant::now();
    let start = Start {
        layout: Layout { root },
        user_repo,
        name: "demo".to_owned(),
        config,
        source: asked.to_owned(),
        advisory: args.tier.is_some(),
        binary: std::env::current_exe().map_err(|e| internal(&e))?,
    };
    let runtime = Runtime::start(start).await.map_err(|e| internal(&e))?;
    println!("tier {} up in {:?}; walls {}", runtime.tier, started.elapsed(), runtime.walls.len());
    submit(&runtime, &tasks).await?;
    let mut view = runtime.handle().view();
    let mut seen = 0;
    let user = PrincipalId::user();
    loop {
        {
            let picture = view.borrow_and_update().clone();
            for m in picture.messages.iter().filter(|m| m.record >= seen) {
                println!(
                    "{:>6.1}s {:>4} {:<12} -> {:<12} {:<16} {:<11} {}",
                    started.elapsed().as_secs_f64(),
                    m.record,
                    m.from,
                    m.to,
                    m.kind,
                    m.feature.as_ref().map_or("", |f| f.as_str()),
                    m.text
                );
            }
            seen = picture.messages.last().map_or(seen, |m| m.record + 1);
            for q in &picture.questions {
                println!("  ? {} {} {}", q.number, q.what, q.text);
            }
            if !picture.features.is_empty() && picture.features.iter().all(|f| f.status == "done") {
                break;
            }
            for q in picture.questions.iter().filter(|q| q.what == "question") {
                let text = q.options.first().cloned().unwrap_or_else(|| "yes".to_owned());
                let draft = Draft::new(q.from.clone(), Answer { text }).answering(q.id);
                println!(
                    "{:?}",
                    runtime.governance.submit(&user, Draft { feature: q.feature.clone(), ..draft }).await
                );
            }
        }
        tokio::select! {
            changed = view.changed() => if changed.is_err() { break },
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    println!("{:?}", runtime.handle().shutdown().await);
    runtime.core.join();
    Ok(ExitCode::SUCCESS)
}

async fn submit(runtime: &Runtime, tasks: &[Task]) -> Result<(), CliError> {
    for task in tasks {
        let id = task.id.clone().unwrap_or_else(|| FeatureId::new("feature-1").expect("valid"));
        let text = if task.text.is_empty() { task.title.clone() } else { task.text.clone() };
        let body = FeatureRequested { title: task.title.clone(), text };
        let draft = Draft::new(Address::system(), body).about(id);
        runtime
            .governance
            .submit(&PrincipalId::user(), draft)
            .await
            .map_err(|e| CliError::new(Exit::Refused, e.to_string()))?;
    }
    Ok(())
}

fn demo_repo(dir: &std::path::Path) -> Result<PathBuf, CliError> {
    if dir.join(".git").exists() {
        return Ok(dir.to_owned());
    }
    for (path, text) in foureyes_config::builtin::demo_files() {
        let file = dir.join(path);
        std::fs::create_dir_all(file.parent().expect("a file has a folder")).expect("dir");
        std::fs::write(&file, text).expect("write");
    }
    let git = |args: &[&str]| {
        let s = std::process::Command::new("git")
            .current_dir(dir)
            .args([
                "-c",
                "user.name=you",
                "-c",
                "user.email=you@example.org",
                "-c",
                "init.defaultBranch=main",
            ])
            .args(args)
            .status()
            .expect("git");
        assert!(s.success());
    };
    git(&["init", "-q"]);
    git(&["add", "-A"]);
    git(&["commit", "-q", "-m", "A small crate"]);
    Ok(dir.to_owned())
}
