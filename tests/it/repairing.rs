//! Scripts that can't do their work for a reason of their own: staged, recognised, repaired from what is declared, run again.
//!
//! What is real: ports that are taken, tools and shells that are missing or elsewhere, folders without room, times that are
//! over, locks that are held, Slurm's MPI plug-ins. What needs GPUs or an MPI program is a stand-in that prints what the real one
//! prints by its source (`playbooks/repairs/*.toml` names it).

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::executors::slurm::Cluster;

/// A folder with tests of its own, and all programs of this machine but some.
struct Stage(tempfile::TempDir);

impl Stage {
    fn without(missing: &[&str]) -> Self {
        let stage = Self(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
        for folder in ["bin", "tools", "scratch", "playbooks/tests"] {
            fs::create_dir_all(stage.at(folder)).unwrap();
        }
        for folder in ["/usr/bin", "/bin", "/usr/sbin", "/sbin"] {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                if !missing.contains(&name.as_str()) {
                    let _ = symlink(entry.path(), stage.at("bin").join(name));
                }
            }
        }
        stage.book("stage-good", 20, "", GOOD);
        stage
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn program(&self, name: &str, text: &str) {
        let file = self.at(name);
        let _ = fs::remove_file(&file);
        fs::write(&file, format!("#!/bin/sh\n{}\n", self.filled(text))).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn filled(&self, text: &str) -> String {
        text.replace("FOLDER", &self.0.path().display().to_string())
    }

    /// A test of its own: what stands between its head and its cases.
    fn book(&self, id: &str, timeout: u64, middle: &str, script: &str) {
        let text = format!(
            "schema = 1\nid = '{id}'\ntitle = 'On a stage'\nabout = 'It reads one thing.'\nshape = 'one'\nrisk = 'observe'\n\
             timeout = {timeout}\n{middle}\n[reads.good]\nabout = '1: it is well'\n[[expect]]\nread = 'good'\nequals = 1\n\
             source = 'the stage'\n[script]\ntext = '''\n{}\n'''\n",
            self.filled(script)
        );
        fs::write(self.at("playbooks/tests").join(format!("{id}.toml")), text).unwrap();
    }

    fn test(&self, name: &str, nodes: &str, more: &[&str]) -> Went {
        self.test_in(name, nodes, more, &[])
    }

    fn test_in(&self, name: &str, nodes: &str, more: &[&str], env: &[(&str, String)]) -> Went {
        let words = ["test", name, "--nodes", nodes, "--via", "local", "--yes", "--on-busy", "--format", "json"];
        let tools = self.at("tools").display().to_string();
        let done = Command::new(env!("CARGO_BIN_EXE_diag"))
            .args(words)
            .args(["--playbooks", "playbooks", "--tools", &tools])
            .args(more)
            .current_dir(self.0.path())
            .env("PATH", self.at("bin"))
            .envs(env.iter().map(|(name, value)| (name, value)))
            .env_remove("DIAG_POLICY")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        let page: Value = serde_json::from_slice(&done.stdout).unwrap_or_else(|error| panic!("{error}: {told}"));
        Went { page, told }
    }
}

/// What came of a test of one run.
struct Went {
    page: Value,
    told: String,
}

impl Went {
    fn run(&self) -> &Value {
        &self.page["runs"][0]
    }

    /// How it ended, and the reasons that were repaired, in order.
    fn comes_to(&self, judged: &str, repaired: &[&str]) {
        let reasons: Vec<&str> =
            self.run()["repairs"].as_array().unwrap().iter().map(|one| one["reason"].as_str().unwrap()).collect();
        let all = format!("{:#}\n{}", self.page, self.told);
        assert_eq!((self.run()["run"]["judged"].as_str().unwrap(), reasons.as_slice()), (judged, repaired), "{all}");
        // Each is said to whoever waits, and to programs.
        for repair in self.run()["repairs"].as_array().unwrap() {
            assert!(self.told.contains(repair["said"].as_str().unwrap()), "{all}");
        }
    }

    fn why(&self) -> String {
        self.run()["run"]["why"].to_string()
    }
}

const GOOD: &str = "say good 1";

/// The same, told by a tool.
const BY_TOOL: &str = "need diag-stage-tool\nsay good \"$(diag-stage-tool)\"";

#[test]
fn a_tool_that_is_elsewhere_is_found_there() {
    let stage = Stage::without(&[]);
    stage.book("stage-tool", 20, "tools = [['diag-stage-tool']]", BY_TOOL);
    stage.program("tools/diag-stage-tool", "echo 1");
    let went = stage.test("stage-tool", "n1", &[]);
    went.comes_to("pass", &["tool-missing"]);
    assert!(went.told.contains("a tool is missing (none of these is installed: diag-stage-tool)"), "{}", went.told);
    fs::remove_file(stage.at("tools/diag-stage-tool")).unwrap();
    let gone = stage.test("stage-tool", "n1", &[]);
    gone.comes_to("cannot-run", &[]);
    assert!(gone.why().contains("a tool is missing: none of these is installed"), "{}", gone.why());
}

#[test]
#[ignore = "needs to write to /opt: ./test runs it as root"]
fn staged_tools_below_opt_are_found() {
    let stage = Stage::without(&[]);
    stage.book("stage-tool", 20, "tools = [['diag-stage-tool']]", BY_TOOL);
    let folder = PathBuf::from(format!("/opt/diag-stage-{}", std::process::id()));
    fs::create_dir_all(folder.join("bin")).unwrap();
    stage.program("tool", "echo 1");
    fs::copy(stage.at("tool"), folder.join("bin/diag-stage-tool")).unwrap();
    let went = stage.test("stage-tool", "n1", &[]);
    fs::remove_dir_all(&folder).unwrap();
    went.comes_to("pass", &["tool-missing"]);
    assert!(went.told.contains(&format!("with {}/bin in the path", folder.display())), "{}", went.told);
}

#[test]
fn a_folder_that_a_node_makes_up_is_not_looked_in() {
    let stage = Stage::without(&[]);
    stage.program("evil", "echo 1; : >FOLDER/ran");
    fs::create_dir(stage.at("bad")).unwrap();
    fs::rename(stage.at("evil"), stage.at("bad/diag-stage-tool")).unwrap();
    for folder in ["FOLDER/bad", "/opt/../FOLDER/bad", "/opt/x;id/bin", "$(id)", "/opt/$IFS/bin"] {
        let script = format!("printf 'diag: found=%s\\n' '{folder}'\n{BY_TOOL}");
        stage.book("stage-tool", 20, "tools = [['diag-stage-tool']]", &script);
        stage.test("stage-tool", "n1", &[]).comes_to("cannot-run", &[]);
        assert!(!stage.at("ran").exists(), "{folder}");
    }
}

#[test]
fn where_there_is_no_bash_a_plain_sh_does_it_by_the_tool_that_is_there() {
    let open = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("port={}", open.local_addr().unwrap().port());
    let stage = Stage::without(&["bash", "nc", "nc.openbsd", "nc.traditional", "ncat"]);
    let went = stage.test("tcp-pair", "n[1-2]", &["--set", &port]);
    went.comes_to("pass", &["shell-missing", "tool-missing"]);
    assert!(went.told.contains("there is no bash") && went.told.contains("with tool python3, not nc"), "{}", went.told);
    drop(open);
    // And it still tells a port that is closed.
    stage.test("tcp-pair", "n[1-2]", &["--set", &port]).comes_to("fail", &["shell-missing", "tool-missing"]);
}

#[test]
fn where_no_temporary_folder_can_be_made_another_is_taken() {
    let stage = Stage::without(&[]);
    stage.book("stage-room", 20, "", "echo x >\"${scratch}/x\" || exit 1\nsay good 1");
    let env = [("TMPDIR", stage.at("nowhere").display().to_string())];
    let went = stage.test_in("stage-room", "n1", &[], &env);
    went.comes_to("pass", &["no-room"]);
    assert!(went.told.contains("with temporary files in /var/tmp"), "{}", went.told);
}

#[test]
#[ignore = "needs to mount: ./test runs it as root"]
fn staged_scripts_with_no_room_left_write_elsewhere() {
    let stage = Stage::without(&[]);
    let scratch = stage.at("scratch").display().to_string();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs", &scratch]).status().unwrap();
    assert!(mounted.success());
    fs::write(stage.at("scratch/full"), [0; 64 << 10]).unwrap_or_default();
    stage.book("stage-room", 20, "", "dd if=/dev/zero of=\"${scratch}/x\" bs=1024 count=64 || exit 1\nsay good 1");
    let went = stage.test_in("stage-room", "n1", &[], &[("TMPDIR", scratch.clone())]);
    assert!(Command::new("umount").arg("-l").arg(&scratch).status().unwrap().success());
    went.comes_to("pass", &["no-room"]);
    assert!(went.told.contains("No space left on device"), "{}", went.told);
}

#[test]
fn what_takes_too_long_is_made_smaller_and_what_hangs_is_not_tried_for_ever() {
    let stage = Stage::without(&[]);
    let params = "[params]\nrounds = { type = 'int', min = 2, default = 64 }";
    let script =
        "count=0\nwhile [ \"${count}\" -lt \"${DIAG_ROUNDS}\" ]; do sleep 0.1; count=$((count + 1)); done\nsay good 1";
    stage.book("stage-late", 4, params, script);
    let went = stage.test("stage-late", "n1", &[]);
    went.comes_to("pass", &["late"]);
    assert!(went.told.contains("with rounds 16, not 64"), "{}", went.told);
    stage.book("stage-hangs", 2, params, "[ \"${DIAG_ROUNDS}\" = 0 ] || sleep 60\nsay good 1");
    let went = stage.test("stage-hangs", "n1", &[]);
    went.comes_to("cannot-run", &["late"]);
}

#[test]
fn a_device_that_somebody_holds_is_waited_for() {
    let stage = Stage::without(&[]);
    let reason = "tools = [['flock']]\n[[reason]]\nid = 'held'\nwhat = 'somebody holds the device'\nshows = [['resource is held']]\n\
                  remedy = [{ wait = 4 }]";
    let script = "flock -n FOLDER/device true || cannot 'the resource is held'\nsay good 1";
    stage.book("stage-held", 20, reason, script);
    let hold = |seconds: &str| {
        let device = stage.at("device").display().to_string();
        Command::new("flock").args([&device, "sleep", seconds]).spawn().unwrap()
    };
    let mut holder = hold("3");
    std::thread::sleep(Duration::from_millis(500));
    let went = stage.test("stage-held", "n1", &[]);
    holder.wait().unwrap();
    went.comes_to("pass", &["held"]);
    assert!(went.told.contains("run again in 4 s"), "{}", went.told);
    let mut holder = hold("30");
    std::thread::sleep(Duration::from_millis(500));
    let went = stage.test("stage-held", "n1", &[]);
    holder.kill().unwrap();
    let _ = holder.wait();
    went.comes_to("cannot-run", &["held"]);
    assert!(went.why().contains("somebody holds the device"), "the same twice stops: {}", went.why());
}

/// The table of nccl-tests for two GPUs, for sizes up to the one that is asked for.
const TABLE: &str = r##"cat <<'TABLE'
# nThread 1 nGpus 2 minBytes 67108864 maxBytes 1073741824 step: 2(factor) warmup iters: 5 iters: 20 agg iters: 1 validation: 1 graph: 0
#
# Using devices
#  Rank  0 Group  0 Pid  4100 on     gpu-17 device  0 [0000:18:00] NVIDIA Stage
#  Rank  1 Group  0 Pid  4100 on     gpu-17 device  1 [0000:19:00] NVIDIA Stage
#
#       size         count      type   redop    root     time   algbw   busbw #wrong     time   algbw   busbw #wrong
    67108864      16777216     float     sum      -1  1000.0  100.00  210.20      0   1000.0  100.00  210.20      0
TABLE"##;

/// A node with two GPUs, played; `perf`: what all_reduce_perf does.
fn gpus(perf: &str) -> Stage {
    let stage = Stage::without(&["mpirun", "srun"]);
    stage.program("bin/nvidia-smi", "case $* in *uuid*) printf 'GPU-1\\nGPU-2\\n' ;; esac");
    stage.program("bin/all_reduce_perf", perf);
    stage
}

#[test]
fn gpus_without_memory_get_a_smaller_size() {
    let refuses =
        "case $* in *'-e 1G'*) echo \"gpu-17: Test CUDA failure common.cu:511 'out of memory'\"; exit 2 ;; esac";
    let went = gpus(&format!("{refuses}\n{TABLE}")).test("nccl-one", "n1", &[]);
    went.comes_to("pass", &["gpu-memory"]);
    assert!(went.told.contains("with begin 16M, not 64M, with end 256M, not 1G"), "{}", went.told);
}

#[test]
fn a_driver_that_is_too_old_is_said_and_is_no_failed_test() {
    let text = "echo \"gpu-17: Test CUDA failure common.cu:1084 'CUDA driver version is insufficient for CUDA runtime version'\"\nexit 3";
    let went = gpus(text).test("nccl-one", "n1", &[]);
    went.comes_to("cannot-run", &[]);
    assert!(went.why().contains("says nothing of the hardware"), "{}", went.why());
    // What is the GPU's own fault stays a failed test.
    let text = "echo \"gpu-17: Test CUDA failure common.cu:511 'an uncorrectable ECC error was encountered'\"\nexit 3";
    gpus(text).test("nccl-one", "n1", &[]).comes_to("fail", &[]);
}

#[test]
fn a_launcher_that_refuses_gives_way_to_another() {
    let stage = gpus(TABLE);
    let orte = "echo 'ORTE was unable to reliably start one or more daemons.' >&2; exit 1";
    stage.program("bin/mpirun", orte);
    let plugin =
        "case $* in *--mpi=pmix*) echo 'srun: error: MPI: Cannot create context for mpi/pmix' >&2; exit 1 ;; esac";
    stage.program(
        "bin/srun",
        &format!(
            "{plugin}\n{}",
            TABLE.replace("Pid  4100 on     gpu-17 device  1", "Pid  4101 on     gpu-18 device  1")
        ),
    );
    let went = stage.test("nccl-pair", "n[1-2]", &["--set", "gpus=1"]);
    went.comes_to("pass", &["launcher-refuses", "mpi-plugin"]);
    assert!(went.told.contains("with launcher srun-pmi2, not srun-pmix"), "{}", went.told);
    stage.program("bin/srun", "echo 'srun: error: MPI: Cannot create context for mpi/any' >&2; exit 1");
    let all = ["launcher-refuses", "mpi-plugin", "mpi-plugin", "mpi-plugin"];
    stage.test("nccl-pair", "n[1-2]", &["--set", "gpus=1"]).comes_to("cannot-run", &all);
}

#[test]
fn what_fails_is_not_repaired() {
    let stage = Stage::without(&[]);
    stage.book("stage-bad", 20, "", "echo 'No space left on device' >&2\nsay good 0");
    stage.test("stage-bad", "n1", &[]).comes_to("fail", &[]);
    stage.book("stage-bad", 20, "", GOOD);
    stage.test("stage-bad", "n1", &[]).comes_to("pass", &[]);
}

#[test]
#[ignore = "needs iperf3: ./test installs it"]
fn tools_iperf3_takes_another_port_where_one_is_taken() {
    let stage = Stage::without(&[]);
    // Somebody's servers, of the same kind: a client that reaches one of them proves nothing of the node.
    let port = 20_000 + u16::try_from(std::process::id() % 20_000).unwrap();
    let serve =
        |port: u16| Command::new("iperf3").args(["-s", "-p", &port.to_string()]).stdout(Stdio::null()).spawn().unwrap();
    let mut servers = vec![serve(port)];
    std::thread::sleep(Duration::from_millis(500));
    let listen = format!("listen={port}");
    let words = ["--set", listen.as_str(), "--set", "seconds=1"];
    let first = stage.test("iperf3-pair", "n[1-2]", &words);
    servers.push(serve(port + 64));
    std::thread::sleep(Duration::from_millis(500));
    let both = stage.test("iperf3-pair", "n[1-2]", &words);
    for server in &mut servers {
        server.kill().unwrap();
        let _ = server.wait();
    }
    first.comes_to("pass", &["port-taken"]);
    assert!(first.told.contains(&format!("with listen {}, not {port}", port + 64)), "{}", first.told);
    both.comes_to("cannot-run", &["port-taken"]);
    assert!(both.why().contains("the port is in use"), "the same twice stops: {}", both.why());
}

/// Slurm's plug-ins are real; the program is a stand-in that asks for PMI2 as one of Open MPI does that was built for it.
#[test]
#[ignore = "needs root and Slurm: ./test runs it"]
fn cluster_a_program_for_another_pmi_is_started_as_it_wants() {
    let cluster = Cluster::up(1);
    let stage = Stage::without(&["mpirun"]);
    let wants = "[ -n \"${PMI_FD:-}\" ] || { echo \"but OMPI was not built with SLURM's PMI support and therefore cannot\" >&2; exit 14; }";
    stage.program("bin/osu_allreduce", &format!("{wants}\nprintf '8 4.1\\n1048576 210.5\\n'"));
    let env = [("SLURM_CONF", cluster.at("slurm.conf").display().to_string())];
    let went = stage.test_in("osu-allreduce", "node1", &[], &env);
    let told = &went.told;
    went.comes_to("pass", &["mpi-flavour", "mpi-plugin"]);
    assert!(told.contains("Invalid MPI type 'pmix'"), "{told}");
    assert!(told.contains("with launcher srun-pmi2, not srun-pmix"), "{told}");
}
