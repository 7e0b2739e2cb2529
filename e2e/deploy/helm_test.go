package deploy

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

var chart = filepath.Join(examples, "helm", "daypass")

// needed are the values that have no default.
var needed = []string{
	"--set", "publicURL=https://files.example.com", "--set", "store=s3://daypass?endpoint=https://rgw.example.net",
	"--set", "existingSecret=daypass", "--set", "image.repository=registry.example.net/daypass",
}

// everything switches on what is off.
var everything = []string{
	"--set", "autoscaling.enabled=true", "--set", "trustedProxies={10.0.0.0/8,fd00::/8}", "--set", "redirect=get",
	"--set", "extraArgs={--sigv2=deny}", "--set", "podAnnotations.a=b", "--set", "nodeSelector.disk=fast",
	"--set", "imagePullSecrets[0].name=pull", "--set", "tolerations[0].key=a", "--set", "service.annotations.a=b",
	"--set", "serviceAccount.annotations.a=b",
	"--set", "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].key=a",
	"--set", "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].operator=Exists",
	"--set", "networkPolicy.s3From[0].namespaceSelector.matchLabels.a=ingress",
	"--set", "networkPolicy.operationsFrom[0].namespaceSelector.matchLabels.a=monitoring",
	"--set", "networkPolicy.egress[0].ports[0].port=5432",
}

// objects are what a chart renders to, by kind.
type objects struct {
	deployment *apps.Deployment
	services   []core.Service
	account    *core.ServiceAccount
	budget     *policy.PodDisruptionBudget
	scaler     *autoscaling.HorizontalPodAutoscaler
	network    *networking.NetworkPolicy
}

// render renders the chart and decodes each document into the type of
// Kubernetes, which refuses fields that it does not have.
func render(t *testing.T, args ...string) (o objects) {
	t.Helper()
	helm := installed(t, "helm")
	text := command(t, helm, append([]string{"template", "prod", chart, "--kube-version", "1.33.0"}, args...)...)
	for document := range strings.SplitSeq(text, "\n---\n") {
		var head struct{ Kind string }
		if err := yaml.Unmarshal([]byte(document), &head); err != nil {
			t.Fatalf("%v\n%s", err, document)
		}
		var into any
		switch head.Kind {
		case "":
			continue
		case "Deployment":
			o.deployment = new(apps.Deployment)
			into = o.deployment
		case "Service":
			o.services = append(o.services, core.Service{})
			into = &o.services[len(o.services)-1]
		case "ServiceAccount":
			o.account = new(core.ServiceAccount)
			into = o.account
		case "PodDisruptionBudget":
			o.budget = new(policy.PodDisruptionBudget)
			into = o.budget
		case "HorizontalPodAutoscaler":
			o.scaler = new(autoscaling.HorizontalPodAutoscaler)
			into = o.scaler
		case "NetworkPolicy":
			o.network = new(networking.NetworkPolicy)
			into = o.network
		default:
			t.Fatalf("the chart has a %s", head.Kind)
		}
		if err := yaml.UnmarshalStrict([]byte(document), into); err != nil {
			t.Errorf("%v\n%s", err, document)
		}
	}
	return o
}

// TestChartLints has Helm lint the chart, with and without what is optional.
func TestChartLints(t *testing.T) {
	helm := installed(t, "helm")
	for _, more := range [][]string{nil, everything} {
		command(t, helm, append(append([]string{"lint", chart, "--strict"}, needed...), more...)...)
	}
}

// TestChartAsksForWhatIsNeeded checks that the chart renders nothing without it,
// nor with values that it does not know.
func TestChartAsksForWhatIsNeeded(t *testing.T) {
	helm := installed(t, "helm")
	args := []string{"template", "prod", chart, "--kube-version", "1.33.0"}
	for i := 0; i < len(needed); i += 2 {
		without := append(append(append([]string{}, args...), needed[:i]...), needed[i+2:]...)
		name, _, _ := strings.Cut(needed[i+1], "=")
		if out, err := exec.Command(helm, without...).CombinedOutput(); err == nil || !strings.Contains(string(out), name) {
			t.Errorf("without %s: %v\n%s", name, err, out)
		}
	}
	for _, wrong := range []string{"replica=3", "redirect=maybe", "store=https://rgw.example.net", "replicas=0"} {
		if err := exec.Command(helm, append(append(append([]string{}, args...), needed...), "--set", wrong)...).Run(); err == nil {
			t.Errorf("%s is taken", wrong)
		}
	}
}

// TestChart checks what the chart renders to: flags that there are, probes of
// listeners that there are, and the time to drain.
func TestChart(t *testing.T) {
	for _, more := range [][]string{nil, everything} {
		o := render(t, append(append([]string{}, needed...), more...)...)
		if o.deployment == nil || len(o.services) != 2 || o.account == nil || o.budget == nil || o.network == nil {
			t.Fatalf("%+v", o)
		}
		pod := o.deployment.Spec.Template
		c := pod.Spec.Containers[0]
		checkFlags(t, c.Args)
		if patience := time.Duration(*pod.Spec.TerminationGracePeriodSeconds) * time.Second; patience <= drainTime(t, c.Args) {
			t.Errorf("the pod has %v to end", patience)
		}
		ports := map[string]int32{}
		for _, p := range c.Ports {
			ports[p.Name] = p.ContainerPort
		}
		for path, probe := range map[string]*core.Probe{"/readyz": c.ReadinessProbe, "/healthz": c.LivenessProbe} {
			if probe.HTTPGet.Path != path || ports[probe.HTTPGet.Port.StrVal] != 9002 {
				t.Errorf("a probe asks %s at port %s", probe.HTTPGet.Path, probe.HTTPGet.Port.StrVal)
			}
		}
		ready := c.ReadinessProbe
		notices := time.Duration(ready.PeriodSeconds*ready.FailureThreshold+ready.TimeoutSeconds) * time.Second
		if delay := 10 * time.Second; delay <= notices {
			t.Errorf("the node takes requests for %v, and Kubernetes needs %v to notice", delay, notices)
		}
		if *pod.Spec.EnableServiceLinks || c.EnvFrom[0].SecretRef.Name != "daypass" || !*c.SecurityContext.ReadOnlyRootFilesystem {
			t.Error("the container has another environment, or may write")
		}
		for name, labels := range map[string]map[string]string{
			"service": o.services[0].Spec.Selector, "operations": o.services[1].Spec.Selector, "deployment": o.deployment.Spec.Selector.MatchLabels,
			"budget": o.budget.Spec.Selector.MatchLabels, "network policy": o.network.Spec.PodSelector.MatchLabels,
		} {
			for key, value := range labels {
				if pod.Labels[key] != value || len(labels) != 2 {
					t.Errorf("%s selects %v, pods have %v", name, labels, pod.Labels)
				}
			}
		}
		if scales := more != nil; scales != (o.scaler != nil) || scales == (o.deployment.Spec.Replicas != nil) {
			t.Error("replicas belong to the autoscaler, or to the chart")
		}
	}
}
