//! The core as channels see it.

use async_trait::async_trait;
use foureyes_actors::core::CoreHandle;
use foureyes_model::fetch::{FetchError, Fetcher};
use foureyes_policies::features::Push;
use foureyes_ports::{
    governance::{Draft, Fetched, Governance, InboxItem, Receipt},
    text::{clean_lines, clean_text},
    view::{FeatureView, View},
};
use foureyes_protocol::{
    Address, Body, Code, CommitId, Digest, Family, FeatureId, Label, MessageId, PrincipalId, Reason,
    body::{Refused, Subject},
};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

/// What a reviewer gets at most of a diff, a file or a piece of evidence.
const CAP: usize = 256 * 1024;
const LINES: usize = 20_000;
/// Characters of an address that are recorded: more is never asked for.
const LONGEST_URL: usize = 2048;

/// The governance port over the core.
pub struct CoreGovernance {
    core: CoreHandle,
    /// The way to web pages of accepted hosts, or why there is none.
    fetcher: Result<Fetcher, String>,
    /// Who has read the diff of which content: an approval without reading is refused.
    read: Mutex<HashSet<(PrincipalId, FeatureId, Digest)>>,
    /// Bytes of the present second, by channel.
    bytes: Mutex<HashMap<PrincipalId, (u64, u64)>>,
}

impl CoreGovernance {
    /// A port over this core.
    pub fn new(core: CoreHandle) -> Self {
        let hosts = &core.context().facts.config.model.fetch_hosts;
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let fetcher = Fetcher::new(hosts, &variable).map_err(|e| e.to_string());
        Self { core, fetcher, read: Mutex::default(), bytes: Mutex::default() }
    }

    /// The core.
    pub fn core(&self) -> &CoreHandle {
        &self.core
    }

    fn newest_push(&self, feature: &FeatureId) -> Result<Push, Reason> {
        let none = || Reason::new(Code::NotAsked, format!("{feature} does not exist or has no push yet"));
        self.core.features().by_id.get(feature).and_then(|f| f.push.clone()).ok_or_else(none)
    }

    /// A page that did not come is a record, too: its address may have gone out all the same, and one
    /// of a host that nobody accepted may have been meant to carry words out.
    async fn not_fetched(&self, role: &PrincipalId, url: &str, error: &FetchError) -> Reason {
        let reason = Reason::new(Code::WebHost, error.to_string());
        let what = format!("fetch {}", clean_text(url, LONGEST_URL));
        let refused = Refused { who: role.clone(), what, reason: reason.clone(), incident: false };
        let draft = Draft { labels: [Label::Agent].into(), ..Draft::new(Address::system(), refused) };
        if let Err(error) = self.core.say_all(vec![draft]).await {
            tracing::warn!(%error, "a refusal was not recorded");
        }
        reason
    }

    /// The spec with this digest, as it stands in the ledger.
    fn spec(&self, digest: &Digest) -> Option<String> {
        let features = self.core.features();
        let found = features.by_id.values().filter_map(|f| f.spec.as_ref()).find(|s| s.content == *digest)?;
        let spec = &found.spec;
        let list = |name: &str, items: &[String]| match items {
            [] => String::new(),
            items => format!("{name}: {}\n", items.join(", ")),
        };
        let (kind, risk, by) = (spec.kind, spec.risk, &found.by);
        let mut out = format!("# {}\n\nkind: {kind}\nrisk: {risk}\nby: {by}\n", spec.title);
        out += &list("paths", &spec.paths);
        out += &list("characterisation", &spec.characterisation);
        out += &list("removes", &spec.removes);
        if let Some(commit) = &spec.reverts {
            out += &format!("reverts: {commit}\n");
        }
        Some(text(format!("{out}\n{}\n", spec.text).as_bytes()))
    }

    /// "I approve" of somebody who never opened the diff is refused.
    fn has_read(&self, channel: &PrincipalId, draft: &Draft) -> Result<(), Reason> {
        let Body::SignOffApproval(approval) = &draft.body else { return Ok(()) };
        let (Some(feature), false) = (&draft.feature, channel.is_user()) else { return Ok(()) };
        // Whoever wrote it has read it: the rule about one's own change speaks, and is recorded.
        let own = self
            .newest_push(feature)
            .is_ok_and(|p| p.by == *channel || p.change.contributors.contains(&channel.to_string()));
        if own || !matches!(approval.subject, Subject::Change) {
            return Ok(());
        }
        let key = (channel.clone(), feature.clone(), approval.content);
        if self.read.lock().unwrap_or_else(PoisonError::into_inner).contains(&key) {
            return Ok(());
        }
        Err(Reason::new(
            Code::NotAsked,
            format!("{channel} has not read the diff of {feature}: call `review_diff` first"),
        ))
    }

    async fn vcs<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn foureyes_ports::vcs::Vcs) -> Result<T, foureyes_ports::vcs::VcsError>
        + Send
        + 'static,
    ) -> Result<T, Reason> {
        let vcs = self.core.context().ports.vcs.clone();
        let broken = |e: String| Reason::new(Code::Broken, e);
        let done = tokio::task::spawn_blocking(move || work(vcs.as_ref())).await;
        done.map_err(|e| broken(e.to_string()))?.map_err(|e| broken(e.to_string()))
    }
}

fn text(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(CAP)];
    let note = if bytes.len() > CAP { "\n[cut: the rest is not shown]" } else { "" };
    format!("{}{note}", clean_lines(&String::from_utf8_lossy(cut), LINES, CAP))
}

#[async_trait]
impl Governance for CoreGovernance {
    async fn submit(&self, channel: &PrincipalId, draft: Draft) -> Result<Receipt, Reason> {
        self.has_read(channel, &draft)?;
        self.core.say(channel, draft).await
    }

    async fn inbox(&self, role: &PrincipalId, max: usize) -> Vec<InboxItem> {
        self.core.inbox(role, max).await
    }

    async fn acknowledge(&self, role: &PrincipalId, message: MessageId) -> Result<(), Reason> {
        self.core.acknowledge(role, message).await
    }

    async fn received(&self, role: &PrincipalId, message: MessageId) -> Option<InboxItem> {
        self.core.received(role, message)
    }

    async fn view(&self) -> Arc<View> {
        self.core.view().borrow().clone()
    }

    async fn feature(&self, id: &FeatureId) -> Option<FeatureView> {
        let mut view = self.view().await.features.iter().find(|f| f.id == *id).cloned()?;
        // The picture is drawn some milliseconds after the fact; what decides is the fold.
        let features = self.core.features();
        let feature = features.by_id.get(id)?;
        view.gate = feature.gate;
        if let Some(push) = &feature.push {
            (view.content, view.head) = (Some(push.content), Some(push.change.head.clone()));
        }
        Some(view)
    }

    async fn review_diff(
        &self,
        role: &PrincipalId,
        feature: &FeatureId,
        path: Option<&str>,
    ) -> Result<String, Reason> {
        let push = self.newest_push(feature)?;
        let (base, head): (CommitId, CommitId) = (push.change.base.clone(), push.change.head.clone());
        let paths: Vec<String> = path.map(str::to_owned).into_iter().collect();
        let diff = self.vcs(move |v| v.diff_text(&base, &head, &paths, CAP)).await?;
        let key = (role.clone(), feature.clone(), push.content);
        self.read.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        let note = if diff.truncated { "\n[cut: ask for one path at a time]" } else { "" };
        Ok(format!("{}{note}", clean_lines(&diff.text, LINES, CAP)))
    }

    async fn review_file(&self, _: &PrincipalId, feature: &FeatureId, path: &str) -> Result<String, Reason> {
        let push = self.newest_push(feature)?;
        let (head, wanted) = (push.change.head, path.to_owned());
        let bytes = self.vcs(move |v| v.read_blob(&head, &wanted, CAP as u64)).await?;
        let none = || Reason::new(Code::NotAsked, format!("{path} does not exist on the tip of {feature}"));
        Ok(text(&bytes.ok_or_else(none)?))
    }

    async fn evidence(&self, digest: &Digest) -> Result<String, Reason> {
        let bytes = self
            .core
            .context()
            .ports
            .artifacts
            .get(digest)
            .map_err(|e| Reason::new(Code::Broken, e.to_string()))?;
        let Some(bytes) = bytes else {
            let none = || Reason::new(Code::NotAsked, format!("there is no evidence {digest}"));
            return self.spec(digest).ok_or_else(none);
        };
        match foureyes_protocol::testrun::TestReport::from_bytes(&bytes) {
            Ok(report) => Ok(text(serde_json::to_string_pretty(&report).unwrap_or_default().as_bytes())),
            Err(_) => Ok(text(&bytes)),
        }
    }

    async fn fetch(&self, role: &PrincipalId, url: &str) -> Result<Fetched, Reason> {
        let fetcher = self.fetcher.as_ref().map_err(|e| Reason::new(Code::WebHost, e.clone()))?;
        self.core.may_act(role).await?;
        let page = match fetcher.get(url).await {
            Ok(page) => page,
            Err(error) => return Err(self.not_fetched(role, url, &error).await),
        };
        let text = text(page.text.as_bytes());
        let record = foureyes_protocol::body::Fetched {
            role: role.clone(),
            url: page.url.clone(),
            status: page.status,
            bytes: page.bytes,
            content: Digest::of(text.as_bytes()),
        };
        let draft = Draft::new(Address::system(), record);
        let draft = Draft { priority: foureyes_protocol::Priority::Low, ..draft };
        let draft = Draft { labels: [Label::Web].into(), ..draft };
        self.core.say_all(vec![draft]).await?;
        Ok(Fetched { url: page.url, status: page.status, text })
    }

    fn team(&self) -> Vec<(PrincipalId, Family)> {
        self.core.context().facts.roster.iter().cloned().collect()
    }

    fn count_bytes(&self, channel: &PrincipalId, bytes: usize) -> Result<(), Reason> {
        let context = self.core.context();
        let (second, limit) =
            (context.ports.clock.now_ms() / 1_000, context.facts.config.limits.channel_bytes_per_second.0);
        let mut counts = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(channel.clone()).or_insert((second, 0));
        if count.0 != second {
            *count = (second, 0);
        }
        count.1 += bytes as u64;
        if count.1 <= limit {
            return Ok(());
        }
        Err(Reason::new(
            Code::Rate,
            format!("more than {limit} bytes in a second on this channel: wait a second"),
        ))
    }
}
