// Package kayenta is the guest judge: it judges canaries of other systems for
// Spinnaker's Kayenta, which asks a remote judge by POST /judge and shows its
// answer.
//
//	POST /judge --> Decode --> Judge: per metric: clean, compare, classify
//	                                  all metrics: groups, score, thresholds --> answer
//
// The rules are those of Kayenta's own judge, so that a configuration gives the
// verdict it was written for. Per metric: missing values are dropped (or are 0),
// outliers too where that is asked for; the two samples are compared by the
// Hodges-Lehmann shift and its 98 % interval; the metric is High or Low if the
// whole interval lies beyond 25 % of the shift, the direction matters, and the
// effect size is at least the allowed one; Nodata if a sample is empty, or
// NodataFailMetric if that must not be; else Pass. A group's score is the share
// of Pass among Pass, High, Low and NodataFailMetric; the score is the groups'
// weighted mean, and 0 as soon as a critical metric fails or half of all metrics
// have no data; thresholds make Pass, Marginal or Fail of it.
//
// Where this judge differs, it does so where Kayenta's answer depends on
// rounding or fails open:
//
//   - The interval is exact. Kayenta searches its ends to 1e-4, whatever the
//     unit: seconds near 0.0003 and metrics that are mostly 0 are decided by the
//     search there, and by the test at shift 0 here.
//   - Two different constants are compared as they are; Kayenta adds noise.
//   - A metric in Error (its values are infinite) fails the canary if it is
//     critical, and counts among those without data. There it is left out.
//   - Reasons have the numbers in them.
//
// What may not happen: a verdict from a request that was only half understood (a
// metric without a configuration, a weight that is no number); an answer or a
// memory that grows faster than the request, whose size is bounded; two requests
// computed at the same time, since predictions are served beside them.
//
// Nothing is remembered, nothing of serin's own canaries is touched.
//
// Terms are Kayenta's: the experiment is the canary, the control its baseline. A
// pair is one metric's values of both. A sample is the values of one.
package kayenta
