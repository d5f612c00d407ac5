/** Random models through our Gateway API emitter, the real kgateway and a real Envoy. */
import { kgatewayReferee } from "../support/referee-kgateway";
import { describeReferee } from "../support/referee-tests";

jest.setTimeout(900_000);

describeReferee(kgatewayReferee, { models: 250, requests: 100_000 }, []);
