/** Random models through our Gateway API emitter, the real kgateway and a real Envoy. */
import { kgatewayReferee } from "../support/referee-kgateway";
import { describeReferee } from "../support/referee-tests";

jest.setTimeout(900_000);

describeReferee(kgatewayReferee, { models: 240, batch: 60, requests: 100_000 }, []);
