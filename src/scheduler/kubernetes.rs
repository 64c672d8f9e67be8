//! Kubernetes: `kubectl get` of pods and nodes.
//!
//! Somebody works on a node where a pod runs that asks for GPUs or that is to end some day (`restartPolicy` other than
//! `Always`). Services, and what each node has of its own (daemon sets, static pods), are no work that a test disturbs.

use super::{Scheduler, answer, plain};
use crate::exec::Ran;
use crate::plan::NodeName;
use crate::policy::Occupied;

/// Columns of a pod: node, phase, namespace, name, restart policy, kind of its owner, GPUs of its containers.
const POD: &str = "custom-columns=N:.spec.nodeName,P:.status.phase,NS:.metadata.namespace,NAME:.metadata.name,\
                   R:.spec.restartPolicy,O:.metadata.ownerReferences[*].kind,\
                   G:.spec.containers[*].resources.limits.nvidia\\.com/gpu,A:.spec.containers[*].resources.limits.amd\\.com/gpu";

/// Columns of a node: name, whether it is cordoned, whether it is ready.
const NODE: &str =
    "custom-columns=N:.metadata.name,U:.spec.unschedulable,R:.status.conditions[?(@.type==\"Ready\")].status";

/// What `kubectl` prints where there is nothing.
const NONE: &str = "<none>";

/// How names of our own Jobs begin.
const OURS: &str = "diag-";

/// What is asked: all pods, and all nodes.
pub(super) fn commands(context: Option<&str>) -> [Vec<String>; 2] {
    let get = |what: &[&str], columns: &str| {
        let context = context.map(|context| format!("--context={context}"));
        let words = ["get"].into_iter().chain(what.iter().copied()).map(str::to_owned);
        let how = ["--no-headers".to_owned(), "-o".to_owned(), columns.to_owned()];
        std::iter::once("kubectl".to_owned()).chain(context).chain(words).chain(how).collect()
    };
    [get(&["pods", "--all-namespaces"], POD), get(&["nodes"], NODE)]
}

/// Reads both answers.
pub(super) fn read(ran: &[Ran], nodes: &[NodeName]) -> Scheduler {
    let (Some(pods), Some(states)) = (answer(ran, 0), answer(ran, 1)) else { return Scheduler::default() };
    let mut said = Scheduler::default();
    for line in states.lines() {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [name, cordoned, ready, ..] = columns.as_slice() else { continue };
        let Some(node) = nodes.iter().find(|node| node.as_str() == *name) else { continue };
        if *cordoned == "true" {
            said.kept_off.push(node.clone());
        }
        let occupied = match (working(name, pods), *ready, *cordoned) {
            (Some(pod), _, _) => Occupied::Busy(pod),
            (None, "True", "true") => Occupied::Drained,
            (None, "True", _) => Occupied::Idle,
            (None, ..) => Occupied::Unknown,
        };
        said.occupied.insert(node.clone(), occupied);
    }
    said
}

/// The pod of somebody on a node.
fn working(name: &str, pods: &str) -> Option<String> {
    pods.lines().find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [node, phase, namespace, pod, restarts, owner, gpus @ ..] = columns.as_slice() else { return None };
        let ended = matches!(*phase, "Succeeded" | "Failed");
        let own = owner.split(',').any(|kind| matches!(kind, "DaemonSet" | "Node")) || pod.starts_with(OURS);
        let works = *restarts != "Always" || gpus.iter().any(|gpu| *gpu != NONE);
        (*node == name && !ended && !own && works).then(|| format!("pod {}", plain(&format!("{namespace}/{pod}"))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::End;
    use crate::plan::Target;

    fn ran(out: &str) -> Ran {
        let mut ran = Ran::without_output(Target::Here, End::Exit(0));
        ran.stdout.text = out.to_owned();
        ran
    }

    #[test]
    fn a_node_is_somebodys_where_a_pod_works_there() {
        let nodes: Vec<NodeName> = (1..=6).map(|nth| format!("gpu-{nth}").parse().unwrap()).collect();
        let pods = "gpu-1   Running     research      train-0-abc   Never    Job         8        <none>\n\
                    gpu-2   Succeeded   research      train-1-abc   Never    Job         8        <none>\n\
                    gpu-2   Running     gpu-operator  dcgm-x        Always   DaemonSet   <none>   <none>\n\
                    gpu-2   Running     web           front-5c-x    Always   ReplicaSet  <none>   <none>\n\
                    gpu-3   Pending     research      serve-0       Always   StatefulSet <none>,1 <none>\n\
                    gpu-4   Running     default       diag-ab12-1   Never    Job         <none>   <none>\n\
                    <none>  Pending     research      train-2       Never    <none>      8        <none>\n";
        let states = "gpu-1 <none> True\ngpu-2 <none> True\ngpu-3 true True\ngpu-4 true True\ngpu-5 <none> Unknown\n";
        let said = read(&[ran(pods), ran(states)], &nodes);
        let of = |nth: usize| said.occupied.get(&nodes[nth - 1]).cloned();
        let all: Vec<Option<Occupied>> = (1..=6).map(of).collect();
        let busy = |pod: &str| Some(Occupied::Busy(format!("pod research/{pod}")));
        let wanted = [
            busy("train-0-abc"),
            Some(Occupied::Idle),
            busy("serve-0"),
            Some(Occupied::Drained),
            Some(Occupied::Unknown),
            None,
        ];
        assert_eq!(all, wanted);
        assert_eq!(said.kept_off, nodes[2..4]);
        let silent = Ran::without_output(Target::Here, End::Exit(1));
        assert_eq!(read(&[silent, ran(states)], &nodes), Scheduler::default());
    }
}
