//! `paths`: which files are what. Decides who must look at a change.

use super::{list, section};
use crate::schema::globs;

section! {
    /// Lists of patterns. A pattern without `/` holds in every directory, one with `/` starts at
    /// the root; `*` does not cross `/`, `**` does; a trailing `/` means the directory and all in it.
    pub struct Paths {
        /// Changes need the user: hooks, CI, policy, configuration of agents and editors.
        #[schemars(schema_with = "globs")]
        pub protected: Vec<String> = list(PROTECTED),
        /// Changes need two signers and a tertiary review.
        #[schemars(schema_with = "globs")]
        pub critical: Vec<String> = list(CRITICAL),
        /// Documentation: counts lines, not files, and is all that a change of kind `docs` touches.
        #[schemars(schema_with = "globs")]
        pub docs: Vec<String> = list(DOCS),
        /// What users see: DEPLOY needs the sign-off of docs; risk HIGH.
        #[schemars(schema_with = "globs")]
        pub user_facing: Vec<String> = list(USER_FACING),
        /// Written by tools: each counts as a file above the line threshold.
        #[schemars(schema_with = "globs")]
        pub generated: Vec<String> = list(GENERATED),
        /// Copied from elsewhere: each counts as a file above the line threshold.
        #[schemars(schema_with = "globs")]
        pub vendored: Vec<String> = list(VENDORED),
        /// Dependency manifests.
        #[schemars(schema_with = "globs")]
        pub manifests: Vec<String> = list(MANIFESTS),
        /// Lock files of dependencies.
        #[schemars(schema_with = "globs")]
        pub lockfiles: Vec<String> = list(LOCKFILES),
        /// Migrations of a schema; risk CRITICAL.
        #[schemars(schema_with = "globs")]
        pub migrations: Vec<String> = list(MIGRATIONS),
        /// Configuration of production; risk CRITICAL.
        #[schemars(schema_with = "globs")]
        pub production_config: Vec<String> = list(PRODUCTION_CONFIG),
        /// What steers tests without being one: two sign-offs at RED.
        #[schemars(schema_with = "globs")]
        pub test_infrastructure: Vec<String> = list(TEST_INFRASTRUCTURE),
        /// Risk classes besides those that follow from the lists above. The highest that matches
        /// holds; what matches none is MEDIUM.
        #[garde(dive)]
        pub risk: RiskPaths = RiskPaths::default(),
    }
}

section! {
    /// Risk classes by path.
    pub struct RiskPaths {
        /// Auth, payment, crypto, schema: also the user.
        #[schemars(schema_with = "globs")]
        pub critical: Vec<String> = list(RISK_CRITICAL),
        /// Public API, data models.
        #[schemars(schema_with = "globs")]
        pub high: Vec<String> = list(RISK_HIGH),
        /// Docs and fixtures.
        #[schemars(schema_with = "globs")]
        pub low: Vec<String> = list(RISK_LOW),
    }
}

const PROTECTED: &[&str] = &[
    ".agents/",
    "CLAUDE.md",
    "CLAUDE.local.md",
    "AGENTS.md",
    "GEMINI.md",
    ".claude/",
    ".serena/",
    ".cursor/",
    ".cursorrules",
    ".mcp.json",
    ".envrc",
    ".vscode/",
    ".devcontainer/",
    ".husky/",
    ".githooks/",
    ".hooks/",
    ".pre-commit-config.yaml",
    "lefthook.yml",
    ".gitattributes",
    ".gitignore",
    ".gitmodules",
    ".gitconfig",
    ".git-blame-ignore-revs",
    ".mailmap",
    ".github/",
    ".gitlab/",
    ".gitlab-ci.yml",
    ".ci/",
    ".circleci/",
    ".forgejo/",
    ".gitea/",
    ".woodpecker/",
    ".woodpecker.yml",
    "Jenkinsfile",
    "azure-pipelines.yml",
    ".travis.yml",
    "CODEOWNERS",
    "/policy/",
    "/policies/",
];
const CRITICAL: &[&str] = &[
    "**/auth/**",
    "auth.*",
    "**/crypto/**",
    "crypto.*",
    "**/migrations/**",
    "build.rs",
    ".cargo/",
    "rust-toolchain*",
    "Dockerfile*",
    "*.dockerfile",
    "Containerfile*",
    "docker-compose*.{yml,yaml}",
    "Makefile",
    "justfile",
    "Cargo.toml",
    "Cargo.lock",
    "package.json",
    "package-lock.json",
    "pnpm-lock.yaml",
    "yarn.lock",
    "pyproject.toml",
    "setup.py",
    "setup.cfg",
    "requirements*.txt",
    "poetry.lock",
    "uv.lock",
    "Pipfile",
    "Pipfile.lock",
    "go.mod",
    "go.sum",
    "pom.xml",
    "build.gradle*",
    "CMakeLists.txt",
];
const DOCS: &[&str] = &[
    "docs/**/*.{md,rst,adoc,txt,png,svg,jpg}",
    "doc/**/*.{md,rst,adoc,txt,png,svg,jpg}",
    "README*",
    "CHANGELOG*",
    "CHANGES*",
    "NEWS*",
    "CONTRIBUTING*",
    "CODE_OF_CONDUCT*",
    "AUTHORS*",
    "*.adoc",
];
const USER_FACING: &[&str] = &[
    "**/cli/**",
    "**/ui/**",
    "**/templates/**",
    "**/locales/**",
    "**/public/**",
    "*.html",
    "*.css",
    "openapi.{yml,yaml,json}",
];
const GENERATED: &[&str] =
    &["**/generated/**", "*.pb.go", "*_pb2.py", "*.generated.*", "*.min.js", "*.min.css", "*.snap"];
const VENDORED: &[&str] = &["**/vendor/**", "**/third_party/**", "**/node_modules/**"];
const MANIFESTS: &[&str] = &[
    "Cargo.toml",
    "package.json",
    "pyproject.toml",
    "setup.py",
    "setup.cfg",
    "requirements*.txt",
    "Pipfile",
    "go.mod",
    "pom.xml",
    "build.gradle",
    "build.gradle.kts",
    "CMakeLists.txt",
    "conanfile.*",
    "vcpkg.json",
    "Gemfile",
];
const LOCKFILES: &[&str] = &[
    "Cargo.lock",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "pnpm-lock.yaml",
    "yarn.lock",
    "bun.lock*",
    "poetry.lock",
    "uv.lock",
    "Pipfile.lock",
    "go.sum",
    "gradle.lockfile",
    "conan.lock",
    "Gemfile.lock",
];
const MIGRATIONS: &[&str] = &["**/migrations/**", "**/migrate/**", "**/alembic/**", "**/db/schema.*"];
const PRODUCTION_CONFIG: &[&str] = &[
    "**/config/prod*",
    "**/config/prod*/**",
    "*.prod.{yml,yaml,json,toml,env}",
    "*.production.{yml,yaml,json,toml,env}",
    ".env.prod*",
    "**/deploy/**",
    "**/k8s/**",
    "**/helm/**",
    "**/terraform/**",
    "*.tf",
    "*.tfvars",
];
const TEST_INFRASTRUCTURE: &[&str] = &[
    "conftest.py",
    "pytest.ini",
    "tox.ini",
    "noxfile.py",
    ".coveragerc",
    "sitecustomize.py",
    "usercustomize.py",
    "jest.config.*",
    "jest.setup.*",
    "vitest.config.*",
    "vitest.setup.*",
    "karma.conf.*",
    "playwright.config.*",
    ".mocharc*",
    "nextest.toml",
    "TestMain.go",
    "testng.xml",
    "CTestTestfile.cmake",
    "phpunit.xml*",
];
const RISK_CRITICAL: &[&str] = &[
    "**/auth/**",
    "auth.*",
    "*_auth.*",
    "**/authn/**",
    "**/authz/**",
    "**/login/**",
    "**/password*/**",
    "**/session/**",
    "**/payment*/**",
    "payment*.*",
    "**/billing/**",
    "billing.*",
    "**/crypto/**",
    "crypto.*",
    "**/schema/**",
    "schema.sql",
];
const RISK_HIGH: &[&str] = &[
    "**/api/**",
    "api.*",
    "**/models/**",
    "models.*",
    "**/model/**",
    "**/entities/**",
    "*.proto",
    "*.graphql",
];
const RISK_LOW: &[&str] = &[
    "docs/**/*.{md,rst,adoc,txt,png,svg,jpg}",
    "doc/**/*.{md,rst,adoc,txt,png,svg,jpg}",
    "README*",
    "CHANGELOG*",
    "CHANGES*",
    "NEWS*",
    "CONTRIBUTING*",
    "CODE_OF_CONDUCT*",
    "AUTHORS*",
    "**/fixtures/**",
];
