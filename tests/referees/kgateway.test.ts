/** Random models through our Gateway API emitter, the real kgateway and a real Envoy. */
import { kgatewayReferee } from "../support/referee-kgateway";
import { refereeNamespace } from "../support/referee-cluster";
import { describeDelegation } from "../support/referee-delegation";
import { describeOutside } from "../support/referee-outside";
import { describeReferee, whole } from "../support/referee-tests";

jest.setTimeout(900_000);

describeReferee(
  kgatewayReferee,
  whole ? { models: 240, batch: 60, requests: 100_000 } : { models: 40, requests: 10_000 },
  [],
  (referee) => {
    describeDelegation(referee, refereeNamespace);
    describeOutside(referee);
  },
);
