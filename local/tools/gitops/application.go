package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sort"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/cache"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/diff"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/engine"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/health"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync/common"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/utils/kube"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2/textlogger"
)

const (
	manager    = "argocd-controller"
	trackingID = "argocd.argoproj.io/tracking-id"
)

// application is the objects of a namespace that come from one folder of Git.
type application struct {
	name, namespace string
	scripts         scripts
	cache           cache.ClusterCache
	engine          engine.GitOpsEngine
	stop            func()
}

// comparison is what differs from Git, and the worst health of what is in Git.
type comparison struct {
	outOfSync []resource
	health    health.HealthStatus
}

func (c comparison) sync() string {
	if len(c.outOfSync) > 0 {
		return "OutOfSync"
	}
	return "Synced"
}

func newApplication(config *rest.Config, name, namespace string, scripts scripts) *application {
	log := textlogger.NewLogger(textlogger.NewConfig())
	// What carries a tracking id is kept whole: it is compared, and pruned when Git has it no more.
	whole := func(object *unstructured.Unstructured, _ bool) (any, bool) {
		id := object.GetAnnotations()[trackingID]
		return id, id != ""
	}
	live := cache.NewClusterCache(
		config, cache.SetNamespaces([]string{namespace}), cache.SetLogr(log), cache.SetPopulateResourceInfoHandler(whole),
		cache.SetSettings(cache.Settings{ResourceHealthOverride: scripts, ResourcesFilter: cache.NewNoopSettings()}),
	)
	return &application{
		name: name, namespace: namespace, scripts: scripts, cache: live,
		engine: engine.NewEngine(config, live, engine.WithLogr(log)), stop: func() {},
	}
}

func (a *application) start() error {
	stop, err := a.engine.Run()
	if err == nil {
		a.stop = stop
	}
	return err
}

// tracked returns the id by which an object of this application is known: it names the object itself, so that a copy of
// the annotation on another object, a child for example, says nothing.
func (a *application) tracked(key kube.ResourceKey) string {
	return fmt.Sprintf("%s:%s/%s:%s/%s", a.name, key.Group, key.Kind, key.Namespace, key.Name)
}

func (a *application) owns(one *cache.Resource) bool {
	return one.Info == a.tracked(one.ResourceKey())
}

// adopt gives Git's objects what Argo CD gives them: the namespace, where they name none, and the tracking id.
func (a *application) adopt(targets []*unstructured.Unstructured) {
	for _, target := range targets {
		if target.GetNamespace() == "" {
			target.SetNamespace(a.namespace)
		}
		annotations := target.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[trackingID] = a.tracked(kube.GetResourceKey(target))
		target.SetAnnotations(annotations)
	}
}

// compare says what differs between Git's objects and the cluster's, by the fields that server-side apply would change.
func (a *application) compare(targets []*unstructured.Unstructured) (comparison, error) {
	a.adopt(targets)
	live, err := a.cache.GetManagedLiveObjs(targets, a.owns)
	if err != nil {
		return comparison{}, fmt.Errorf("reading the cluster: %w", err)
	}
	pairs := sync.Reconcile(targets, live, a.namespace, a.cache)
	found, err := diff.DiffArray(
		pairs.Target, pairs.Live, diff.WithStructuredMergeDiff(true), diff.WithGVKParser(a.cache.GetGVKParser()), diff.WithManager(manager),
	)
	if err != nil {
		return comparison{}, fmt.Errorf("comparing: %w", err)
	}
	result := comparison{}
	for i, one := range found.Diffs {
		if one.Modified {
			result.outOfSync = append(result.outOfSync, describe(pairs.Target[i], pairs.Live[i], one))
		}
		if err := a.worsen(&result.health, pairs.Live[i]); err != nil {
			return comparison{}, err
		}
	}
	return result, nil
}

// worsen makes the whole's health as bad as this object's.
func (a *application) worsen(whole *health.HealthStatus, live *unstructured.Unstructured) error {
	one := &health.HealthStatus{Status: health.HealthStatusMissing}
	if live != nil {
		var err error
		if one, err = health.GetResourceHealth(live, a.scripts); err != nil {
			return fmt.Errorf("health: %w", err)
		}
	}
	if one != nil && (whole.Status == "" || health.IsWorse(whole.Status, one.Status)) {
		*whole = *one
	}
	return nil
}

// apply brings the cluster to what Git says and returns what was done with each object.
func (a *application) apply(ctx context.Context, targets []*unstructured.Unstructured, revision string) ([]resource, error) {
	done, err := a.engine.Sync(
		ctx, targets, a.owns, revision, a.namespace, sync.WithPrune(true), sync.WithHealthOverride(a.scripts),
		sync.WithServerSideApply(true), sync.WithServerSideApplyManager(manager),
	)
	var results []resource
	for _, one := range done {
		results = append(results, resource{Key: one.ResourceKey.String(), Result: string(one.Status), Message: one.Message})
		if one.Status == common.ResultCodeSyncFailed {
			err = errors.Join(err, fmt.Errorf("%s: %s", one.ResourceKey.String(), one.Message))
		}
	}
	return results, err
}

// describe names an object that differs, and the fields in which it does.
func describe(target, live *unstructured.Unstructured, one diff.DiffResult) resource {
	switch {
	case live == nil:
		return resource{Key: keyOf(target), Message: "not in the cluster"}
	case target == nil:
		return resource{Key: keyOf(live), Message: "not in Git"}
	}
	var is, wanted any
	if json.Unmarshal(one.NormalizedLive, &is) != nil || json.Unmarshal(one.PredictedLive, &wanted) != nil {
		return resource{Key: keyOf(live), Message: "differs"}
	}
	return resource{Key: keyOf(live), Fields: differing("", is, wanted)}
}

func keyOf(object *unstructured.Unstructured) string {
	key := kube.GetResourceKey(object)
	return key.String()
}

// differing lists the paths of fields in which two JSON values differ; a list counts as one field.
func differing(path string, is, wanted any) []string {
	left, isMap := is.(map[string]any)
	right, isMapToo := wanted.(map[string]any)
	if !isMap || !isMapToo {
		if reflect.DeepEqual(is, wanted) {
			return nil
		}
		return []string{path}
	}
	names := map[string]bool{}
	for name := range left {
		names[name] = true
	}
	for name := range right {
		names[name] = true
	}
	var found []string
	for name := range names {
		below := name
		if path != "" {
			below = path + "." + name
		}
		found = append(found, differing(below, left[name], right[name])...)
	}
	sort.Strings(found)
	return found
}
