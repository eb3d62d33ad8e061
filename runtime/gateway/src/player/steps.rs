//! Doing the steps of a rule.

use super::{
    Player,
    failure::Failure,
    hands::Hands,
    item::{Item, Values, fits},
    play::{Ask, Expect, Once, Plain, Reject, SignOff, Spec, Step},
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// How many lines of a diff a reviewer shows.
const SHOWN_LINES: usize = 12;

/// The name under which is kept what a question was about, for its answer.
pub(super) fn question(id: &str) -> String {
    format!("question-{id}")
}

/// The envelope that is dealt with.
pub(super) struct Scene<'a> {
    pub item: &'a Item,
    pub values: Values,
}

impl Scene<'_> {
    pub(super) fn feature(&self) -> Result<&str, Failure> {
        match self.values.get("feature") {
            "" => Err(Failure::Broken(format!("a {} that names no feature", self.item.kind))),
            feature => Ok(feature),
        }
    }
}

impl<H: Hands> Player<H> {
    /// Does the steps in order; `path` names them within the envelope's handling, so that a repeated
    /// call of a tool is known as the same call.
    pub(super) fn perform(&mut self, steps: &[Step], scene: &Scene, path: &str) -> Result<(), Failure> {
        steps.iter().enumerate().try_for_each(|(n, step)| self.step(step, scene, &format!("{path}.{n}")))
    }

    pub(super) fn step(&mut self, step: &Step, scene: &Scene, path: &str) -> Result<(), Failure> {
        let fill = |text: &str| scene.values.fill(text);
        match step {
            Step::Branch(Plain {}) => self.branch(scene),
            Step::Git(args) => self.program(&[vec!["git".to_owned()], args.clone()].concat(), scene),
            Step::Run(argv) => self.program(argv, scene),
            Step::Write(files) => self.write(files.iter().map(|(p, t)| (fill(p), fill(t)))),
            Step::Copy(files) => self.copy(files, scene),
            Step::Commit(message) => self.commit(&fill(message)),
            Step::Push(Plain {}) => {
                let target = format!("HEAD:refs/heads/feature/{}", scene.feature()?);
                self.hands.command(&["git", "push", "-q", "origin", &target])
            }
            Step::MergeMain(Plain {}) => self.hands.merge_main(),
            Step::Call(call) => {
                self.tool(&call.tool, scene.values.fill_all(&call.args), scene, path).map(drop)
            }
            Step::Review(Plain {}) => self.review(scene),
            Step::SignOff(words) => self.sign_off(words, scene, path),
            Step::Reject(reject) => self.reject(reject, scene, path),
            Step::Cosign(Plain {}) => self.cosign(scene, path),
            Step::Assign(names) => self.assign(names, scene, path),
            Step::SubmitSpec(Plain {}) => self.submit_spec(scene, path),
            Step::Ask(ask) => self.ask(ask, scene, path),
            Step::Answer(text) => {
                self.say_with("answer", json!({"message": scene.item.id, "text": fill(text)}), scene, path)
            }
            Step::Say(text) => {
                self.hands.screen().say(&fill(text));
                Ok(())
            }
            Step::Pause(time) => {
                self.hands.rest(time.duration());
                Ok(())
            }
            Step::Misbehave(how) => self.misbehave(how, scene, path),
            Step::Expect(expect) => self.expect(expect, scene, path),
            Step::Once(once) => self.once(once, scene, path),
        }
    }

    /// A program of the play, shown with what it came to.
    fn program(&mut self, argv: &[String], scene: &Scene) -> Result<(), Failure> {
        let argv: Vec<String> = argv.iter().map(|a| scene.values.fill(a)).collect();
        self.hands.command(&argv.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn branch(&mut self, scene: &Scene) -> Result<(), Failure> {
        let feature = scene.feature()?;
        self.hands.screen().command(&format!("git fetch && git switch feature/{feature}"));
        let head = self.hands.branch(feature, scene.values.get("base"))?;
        self.hands.screen().good(&format!("on feature/{feature} at {head}"));
        Ok(())
    }

    pub(super) fn write(&mut self, files: impl Iterator<Item = (String, String)>) -> Result<(), Failure> {
        for (path, text) in files {
            self.hands.write(&path, &text)?;
            self.hands.screen().good(&format!("wrote {path} ({} lines)", text.lines().count()));
        }
        Ok(())
    }

    fn copy(&mut self, files: &BTreeMap<String, String>, scene: &Scene) -> Result<(), Failure> {
        let play = self.play.clone();
        // A name that is missing was refused when the play was read.
        let text = |name: &String| play.files.get(name).map_or("", String::as_str);
        self.write(files.iter().map(|(path, name)| (scene.values.fill(path), scene.values.fill(text(name)))))
    }

    pub(super) fn commit(&mut self, message: &str) -> Result<(), Failure> {
        self.hands.screen().command(&format!("git commit -m \"{message}\""));
        match self.hands.commit(message)? {
            Some(id) => self.hands.screen().good(&format!("{id}, signed")),
            None => self.hands.screen().quiet("nothing new to commit"),
        }
        Ok(())
    }

    /// Calls a tool that says something, shown in one line.
    pub(super) fn say_with(
        &mut self,
        tool: &str,
        args: Value,
        scene: &Scene,
        path: &str,
    ) -> Result<(), Failure> {
        let Value::Object(args) = args else {
            return Err(Failure::Broken(format!("{tool} without arguments")));
        };
        self.tool(tool, args, scene, path).map(drop)
    }

    pub(super) fn tool(
        &mut self,
        tool: &str,
        args: Map<String, Value>,
        scene: &Scene,
        path: &str,
    ) -> Result<Value, Failure> {
        let shown: Vec<String> = args.iter().map(|(k, v)| format!("{k}={v}")).collect();
        self.hands.screen().command(&format!("{tool} {}", shown.join(" ")));
        let key = format!("play/{}/{path}", scene.item.id);
        let answer = self.hands.call(tool, Value::Object(args), Some(&key))?;
        let record = answer["record"].as_u64().map_or_else(String::new, |r| format!(" (record {r})"));
        self.hands.screen().good(&format!("{tool}{record}"));
        Ok(answer)
    }

    fn review(&mut self, scene: &Scene) -> Result<(), Failure> {
        if scene.item.text("subject") == "spec" {
            self.hands.screen().diff(scene.item.text("text"), SHOWN_LINES);
            return Ok(());
        }
        let feature = scene.feature()?;
        self.hands.screen().command(&format!("review_diff feature={feature}"));
        let answer = self.hands.call("review_diff", json!({"feature": feature}), None)?;
        let diff = answer["diff"].as_str().unwrap_or_default();
        let count = |sign: char| {
            diff.lines()
                .filter(|l| l.starts_with(sign) && !l.starts_with("+++") && !l.starts_with("---"))
                .count()
        };
        self.hands.screen().good(&format!("read {} added and {} deleted lines", count('+'), count('-')));
        self.hands.screen().diff(diff, SHOWN_LINES);
        Ok(())
    }

    fn sign_off(&mut self, words: &SignOff, scene: &Scene, path: &str) -> Result<(), Failure> {
        let filled = |list: &[String]| list.iter().map(|t| scene.values.fill(t)).collect::<Vec<_>>();
        let args = json!({
            "request": scene.item.id, "checked": filled(&words.checked), "ran": filled(&words.ran),
            "concerns": filled(&words.concerns),
        });
        self.say_with("sign_off", args, scene, path)
    }

    fn reject(&mut self, reject: &Reject, scene: &Scene, path: &str) -> Result<(), Failure> {
        let findings: Vec<Value> = reject
            .findings
            .iter()
            .map(|f| {
                json!({
                    "severity": f.severity, "place": scene.values.fill(&f.place),
                    "problem": scene.values.fill(&f.problem), "fix": scene.values.fill(&f.fix),
                })
            })
            .collect();
        self.say_with("reject", json!({"request": scene.item.id, "findings": findings}), scene, path)
    }

    fn cosign(&mut self, scene: &Scene, path: &str) -> Result<(), Failure> {
        let confirm = |point: &str| json!({"point": point, "confirmed": true, "evidence": "the verdicts and signatures of the feature"});
        let points: Vec<Value> = scene.item.texts("points").into_iter().map(confirm).collect();
        let args = json!({"request": scene.item.id, "granted": true, "points": points});
        self.say_with("cosign", args, scene, path)
    }

    fn assign(&mut self, names: &BTreeMap<String, String>, scene: &Scene, path: &str) -> Result<(), Failure> {
        let feature = scene.feature()?;
        let candidates = scene.item.texts("candidates");
        let named = names.iter().find(|(glob, _)| fits(glob, feature)).map(|(_, role)| role.as_str());
        // Features spread over the candidates; the same feature always goes to the same one.
        let sum: usize = feature.bytes().map(usize::from).sum();
        let spread = || candidates.get(sum.checked_rem(candidates.len())?).copied();
        let role = named.filter(|r| candidates.is_empty() || candidates.contains(r)).or_else(spread);
        let role = role.ok_or_else(|| Failure::Broken(format!("nobody can be given {feature}")))?;
        self.say_with("assign", json!({"feature": feature, "role": role}), scene, path)
    }

    fn submit_spec(&mut self, scene: &Scene, path: &str) -> Result<(), Failure> {
        let feature = scene.feature()?;
        let known = self.play.specs.iter().find(|(glob, _)| fits(glob, feature));
        let spec = known.map_or_else(Spec::default, |(_, spec)| spec.clone());
        let fill = |text: &str| scene.values.fill(text);
        let title = spec.title.as_deref().map_or_else(|| scene.values.get("title").to_owned(), fill);
        let asked = scene.values.get("text");
        let text = spec.text.as_deref().map_or_else(|| asked.to_owned(), fill);
        let text = if text.is_empty() { title.clone() } else { text };
        let args = json!({
            "feature": feature, "title": title, "kind": spec.kind, "risk": spec.risk, "text": text,
            "paths": spec.paths, "characterisation": spec.characterisation, "removes": spec.removes,
            "reverts": spec.reverts,
        });
        self.say_with("submit_spec", args, scene, path)
    }

    fn ask(&mut self, ask: &Ask, scene: &Scene, path: &str) -> Result<(), Failure> {
        let feature = scene.feature()?;
        let args = json!({
            "to": ask.to, "text": scene.values.fill(&ask.text), "options": ask.options, "feature": feature,
        });
        let Value::Object(args) = args else { return Ok(()) };
        let answer = self.tool("ask", args, scene, path)?;
        let id = answer["message"].as_str().unwrap_or_default();
        let about = json!({
            "feature": feature, "title": scene.values.get("title"), "text": scene.values.get("text"),
        });
        self.hands.note(&question(id), &about)
    }

    /// The step inside must be refused with this code. Otherwise it is shown as a surprise, and the
    /// play goes on: judging is the runtime's.
    fn expect(&mut self, expect: &Expect, scene: &Scene, path: &str) -> Result<(), Failure> {
        match self.step(&expect.of, scene, path) {
            Ok(()) => self.hands.screen().bad(&format!("not refused, {} was expected", expect.refused)),
            Err(failure) if failure.code() == Some(expect.refused.as_str()) => {
                self.hands.screen().refused(&failure.to_string());
            }
            Err(failure) if failure.passes() => return Err(failure),
            Err(failure) => self.hands.screen().bad(&format!("{} was expected: {failure}", expect.refused)),
        }
        Ok(())
    }

    fn once(&mut self, once: &Once, scene: &Scene, path: &str) -> Result<(), Failure> {
        let mark = format!("once-{}-{}", scene.values.get("feature"), once.name);
        match self.hands.leave(&mark)? {
            true => self.perform(&once.steps, scene, path),
            false => Ok(()),
        }
    }
}
