"""A metrics source that fails in every way: it never promotes, and never takes anything back by itself (R13)."""

from __future__ import annotations

from tests.support.scenarios import distortions
from tests.support.scenarios.language import Given, Then, When
from tests.support.scenarios.telling import scenario


@scenario("an outage longer than any step neither promotes nor rolls back", long=True)
def outage(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.metrics_source_is(down="SourceUnreachable")
    then.stays(80, stage="Progressing", weight=25)
    then.is_("MetricsAvailable", "SourceUnreachable", "False")
    when.metrics_source_is()
    then.stable("b")
    then.weights(("b", 25), ("b", 50), ("b", 100))


@scenario("an outage at the last step does not promote", long=True)
def outage_last(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(50)
    when.metrics_source_is(down="SourceTimeout")
    then.stays(80, stage="Progressing", weight=50)
    when.metrics_source_is()
    then.stable("b")


@scenario("an outage at full traffic of the first wave does not begin the second", long=True)
def outage_between_waves(given: Given, when: When, then: Then) -> None:
    given.serving("a", pools=("cpu", "gpu"), replicas=2, steps=[50])
    when.spec_asks_for("b")
    when.weight_is(100, ready=False)
    when.metrics_source_is(down="SourceUnreachable")
    then.stays(60, stage="Progressing", weight=100)
    then.never_ready("b", pool="gpu")
    when.metrics_source_is()
    then.stable("b")


@scenario("an outage until the deadline holds, and a person decides", long=True)
def outage_deadline(given: Given, when: When, then: Then) -> None:
    given.serving("a", deadline=90)
    when.spec_asks_for("b")
    when.weight_is(25)
    when.metrics_source_is(down="SourceUnreachable")
    then.stage("Holding")
    then.is_("Stalled", "DeadlineExceeded")
    then.stays(40, stage="Holding", weight=25)
    when.metrics_source_is()
    then.stays(20, stage="Holding", weight=25)
    when.person_lets_it_go_on()
    then.stable("b")


@scenario("an outage until the deadline, where the author wants a rollback")
def outage_rollback(given: Given, when: When, then: Then) -> None:
    given.serving("a", deadline=90, on_inconclusive="Rollback")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.metrics_source_is(down="SourceUnreachable")
    then.rolled_back("b", "DeadlineExceeded")


@scenario("both deadlines: pods that do not come up while the source is down")
def both_deadlines(given: Given, when: When, then: Then) -> None:
    given.serving("a", deadline=90)
    when.metrics_source_is(down="SourceUnreachable")
    when.pods_are_refused("b")
    when.spec_asks_for("b")
    then.stage("Holding")
    then.is_("Stalled", "PodsNotStarted")
    when.pods_are_refused("b", "")
    then.stage("Progressing")
    then.is_("Stalled", "DeadlineExceeded", within=150)


@scenario("what was found bad before the outage stays so")
def bad_before_outage(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.answers_of("b")
    when.spec_asks_for("b")
    then.stage("RollingBack")
    when.metrics_source_is(down="SourceUnreachable")
    then.rolled_back("b")


@scenario("scrapes stop: old samples promote nothing", long=True)
def stale(given: Given, when: When, then: Then) -> None:
    given.serving("a", step_seconds=30)
    when.spec_asks_for("b")
    when.weight_is(25)
    when.time_passes(10)
    when.scraping_stops()
    then.stays(60, stage="Progressing", weight=25)
    when.scraping_goes_on()
    then.stable("b")


@scenario("the source breaks in a way that nobody has thought of", "an error in the operator", long=True)
def breaks(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.metrics_source_breaks()
    then.stays(60, stage="Progressing", weight=25)
    when.metrics_source_is()
    then.stable("b")


@scenario("an outage in the bake: nothing is verified, nothing rolled back", long=True)
def outage_bake(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    then.stable("b")
    when.metrics_source_is(down="SourceUnreachable")
    then.is_("Verified", "SourceUnreachable", "False")
    then.stays(60, stage="Serving", stable="b")
    when.metrics_source_is()
    then.is_("Verified", "BakeTimeOver")


@scenario("Argo: an outage of 40 s aborts every healthy canary; here it waits", long=True)
def argo_outage(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.metrics_source_is(down="SourceError")
    then.stays(40, stage="Progressing", stable="a")
    when.metrics_source_is()
    then.stable("b")
    then.history(("b", "Promoted"))


@scenario("Argo: steps advance while paused as inconclusive; here they stand", long=True)
def argo_paused(given: Given, when: When, then: Then) -> None:
    given.serving("a", deadline=60)
    when.users_ask(0.5)
    when.spec_asks_for("b")
    then.stage("Holding")
    then.stays(120, stage="Holding", candidate="b", stable="a")
    then.weights(("b", 25), ("b", 50))


@scenario("Argo: a condition on NaN passes blindly; here it is no data", long=True)
def argo_nan(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.store_makes(distortions.nan)
    then.stays(60, stage="Progressing", stable="a")
    when.store_makes(distortions.as_it_is)
    then.stable("b")


@scenario("Argo: an empty answer passes a guarded condition; here it is no data", long=True)
def argo_empty(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.store_makes(distortions.nothing)
    when.weight_is(25)
    then.stays(60, stage="Progressing", weight=25)
    when.store_makes(distortions.as_it_is)
    then.stable("b")


@scenario("Argo: of two series only the first is judged; here one bad pod of two is enough")
def argo_second_series(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(50)
    when.answers_of_one_pod_of("b")
    then.rolled_back("b")


@scenario("samples that come twice, late, or with a gap do not make a good release bad", long=True)
def disturbed(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.store_makes(distortions.doubled_with_gaps)
    when.spec_asks_for("b")
    then.stable("b", within=200)
    then.history(("b", "Promoted"))


@scenario(
    "both releases get worse once the candidate has traffic: it holds at once, and a person lets it go on", long=True
)
def shared(given: Given, when: When, then: Then) -> None:
    given.serving("a", deadline=300)
    when.spec_asks_for("b")
    when.weight_is(25)
    when.answers_of("a", rate=0.3)
    when.answers_of("b", rate=0.3)
    then.is_("Stalled", "SharedDegradation", within=60)
    then.says("Stalled", "since its first traffic", "in both releases")
    then.is_("Degraded", "SharedDegradation")
    when.answers_of("a", are="good")
    when.answers_of("b", are="good")
    then.stays(40, stage="Holding", weight=25)
    then.history()
    when.person_lets_it_go_on("the upstream model was out")
    then.stable("b", within=300)


@scenario("both releases get worse once the candidate has traffic, where the author wants a rollback")
def shared_rollback(given: Given, when: When, then: Then) -> None:
    given.serving("a", deadline=300, on_inconclusive="Rollback")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.answers_of("a", rate=0.3)
    when.answers_of("b", rate=0.3)
    then.rolled_back("b", "SharedDegradation", within=60)


@scenario("bad where stable has little left to be compared with: the candidate's fault all the same")
def little_of_stable(given: Given, when: When, then: Then) -> None:
    given.serving("a", replicas=10, steps=[90], on_inconclusive="Rollback")
    when.spec_asks_for("b")
    when.weight_is(90)
    when.users_ask(per_second=2)
    when.answers_of("b", rate=0.4)
    then.rolled_back("b", "CheckFailed", within=300)
    then.says("RolledBack", "unexpected-script", "pool cpu at weight 90")
    then.is_("Degraded", "AsWanted", "False")


@scenario("stable was not well before the candidate came: that only stops the weight", long=True)
def shared_before(given: Given, when: When, then: Then) -> None:
    given.serving("a", deadline=150)
    when.answers_of("a", rate=0.3)
    then.is_("Degraded", "CheckFailed", within=200)
    when.answers_of("b", rate=0.3)
    when.spec_asks_for("b")
    when.weight_is(25)
    then.stays(60, stage="Progressing", stable="a", weight=25)
    then.is_("Stalled", "DeadlineExceeded", within=150)


@scenario("a template that cannot be read when the rollout starts is read later, long before the deadline", long=True)
def template_unread(given: Given, when: When, then: Then) -> None:
    given.serving("a", deadline=600)
    when.admin_creates_a_template("own")
    when.reads_break("clusterchecktemplates")
    when.spec_asks_for("b", template="own")
    when.weight_is(25)
    then.is_("EvidenceFeasible", "TemplateUnread", "False")
    then.stays(40, stage="Progressing")
    when.reads_go_well()
    then.stable("b", within=150)
    then.ready()


@scenario("a template that is missing holds a rollout until the admin creates it", long=True)
def template_missing(given: Given, when: When, then: Then) -> None:
    given.serving("a", deadline=600)
    when.spec_asks_for("b", template="own")
    when.weight_is(50)
    then.is_("EvidenceFeasible", "TemplateMissing", "False")
    then.says("EvidenceFeasible", "ClusterCheckTemplate own", "create it")
    then.stays(60, stage="Progressing", weight=50)
    when.admin_creates_a_template("own")
    then.stable("b", within=100)
    then.is_("PlanDrift", "AsPlanned", "False")
    then.ready()


@scenario("a bad build is seen by a check whose template was created when it had begun", long=True)
def template_late_and_bad(given: Given, when: When, then: Then) -> None:
    given.serving("a", deadline=600)
    when.answers_of("b", check="errors")
    when.spec_asks_for("b", template="own")
    when.weight_is(50)
    when.admin_creates_a_template("own")
    then.rolled_back("b")
