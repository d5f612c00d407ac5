/** Random models through our Istio emitter, the real control plane of Istio and a real Envoy. */
import { istioReferee } from "../support/referee-istio";
import { refereeNamespace } from "../support/referee-cluster";
import { describeDelegation } from "../support/referee-delegation";
import { describeOutside } from "../support/referee-outside";
import { describeReferee, whole } from "../support/referee-tests";

jest.setTimeout(600_000);

describeReferee(
  istioReferee,
  whole ? { models: 250, requests: 30_000 } : { models: 60, requests: 5_000 },
  ["redirect prefix"],
  (referee) => {
    describeDelegation(referee, refereeNamespace);
    describeOutside(referee);
  },
);
