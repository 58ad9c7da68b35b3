// gitops keeps a namespace as a Git repository says, by Argo CD's engine: it compares and applies as Argo CD does for an
// Application with automated sync, prune, selfHeal and ServerSideApply=true. For the proofs of GitOps; Argo CD itself
// (its API, its queue, its cache of manifests) is not in it.
//
// It prints one JSON line per event:
//
//	compared   after each comparison: the revision, what is out of sync, the health of the whole and its message
//	synced     a new revision was applied
//	corrected  the same revision was applied again, because something else had changed a field or an object
//	failed     the cluster refused, or Git or a manifest could not be read
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/client-go/tools/clientcmd"
)

type event struct {
	Event     string     `json:"event"`
	At        time.Time  `json:"at"`
	Revision  string     `json:"revision,omitempty"`
	Resources []resource `json:"resources,omitempty"`
	Sync      string     `json:"sync,omitempty"`
	Health    string     `json:"health,omitempty"`
	Message   string     `json:"message,omitempty"`
}

// resource is one object: what was done with it, or the fields in which it differs from Git.
type resource struct {
	Key     string   `json:"key"`
	Fields  []string `json:"fields,omitempty"`
	Result  string   `json:"result,omitempty"`
	Message string   `json:"message,omitempty"`
}

type options struct {
	repository, branch, path         string
	application, namespace, settings string
	kubeconfig                       string
	interval, selfHealAfter          time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, parse()); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "gitops:", err)
		os.Exit(1)
	}
}

func parse() options {
	var o options
	flag.StringVar(&o.repository, "repository", "", "address or path of the Git repository")
	flag.StringVar(&o.branch, "branch", "main", "branch to follow")
	flag.StringVar(&o.path, "path", ".", "folder of the kustomization in it")
	flag.StringVar(&o.application, "application", "", "name of the application: objects that carry it are pruned with Git")
	flag.StringVar(&o.namespace, "namespace", "", "namespace that it keeps; nothing outside is read or written")
	flag.StringVar(&o.kubeconfig, "kubeconfig", "", "file that says how to reach the cluster")
	flag.StringVar(&o.settings, "settings", "", "argocd-cm.yaml, for its health scripts")
	flag.DurationVar(&o.interval, "interval", time.Second, "time between two comparisons")
	flag.DurationVar(&o.selfHealAfter, "self-heal-after", 5*time.Second, "least time between a sync and its correction")
	flag.Parse()
	for _, name := range []string{"repository", "application", "namespace", "kubeconfig", "settings"} {
		if flag.Lookup(name).Value.String() == "" {
			fmt.Fprintf(os.Stderr, "gitops: --%s is missing; `gitops -h` says what it is\n", name)
			os.Exit(2)
		}
	}
	return o
}

func run(ctx context.Context, o options) error {
	config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return fmt.Errorf("--kubeconfig: %w", err)
	}
	scripts, err := readScripts(o.settings)
	if err != nil {
		return fmt.Errorf("--settings: %w", err)
	}
	source, err := openRepository(o.repository, o.branch, o.path)
	if err != nil {
		return err
	}
	defer source.close()
	app := newApplication(config, o.application, o.namespace, scripts)
	defer app.stop()
	if err := app.start(); err != nil {
		return err
	}
	keep(ctx, o, source, app, print)
	return nil
}

// keep compares at each tick and applies what must be applied, until the context ends.
func keep(ctx context.Context, o options, source *repository, app *application, tell func(event)) {
	var applied, tried string // revisions: the last that was found or put in the cluster, the last that was applied at all
	var last time.Time        // when that was
	tick := time.NewTicker(o.interval)
	defer tick.Stop()
	for ; ctx.Err() == nil; wait(ctx, tick) {
		revision, targets, err := source.read(ctx)
		if ctx.Err() != nil {
			return // Git was stopped with us
		}
		if err != nil {
			tell(event{Event: "failed", Revision: revision, Message: err.Error()})
			continue
		}
		found, err := app.compare(targets)
		if err != nil {
			tell(event{Event: "failed", Revision: revision, Message: err.Error()})
			continue
		}
		tell(event{
			Event: "compared", Revision: revision, Sync: found.sync(), Resources: found.outOfSync,
			Health: string(found.health.Status), Message: found.health.Message,
		})
		if len(found.outOfSync) == 0 {
			applied = revision
			continue
		}
		// What was just applied reaches the cache a moment later, and a refusal is not asked for again at once.
		if revision == tried && time.Since(last) < o.selfHealAfter {
			continue
		}
		results, err := app.apply(ctx, targets, revision)
		tried, last = revision, time.Now()
		switch {
		case err != nil:
			tell(event{Event: "failed", Revision: revision, Resources: results, Message: err.Error()})
		case revision == applied:
			tell(event{Event: "corrected", Revision: revision, Resources: found.outOfSync})
		default:
			applied = revision
			tell(event{Event: "synced", Revision: revision, Resources: results})
		}
	}
}

func wait(ctx context.Context, tick *time.Ticker) {
	select {
	case <-ctx.Done():
	case <-tick.C:
	}
}

func print(one event) {
	one.At = time.Now().UTC()
	line, err := json.Marshal(one)
	if err != nil {
		panic(err) // strings and times only
	}
	fmt.Println(string(line))
}
