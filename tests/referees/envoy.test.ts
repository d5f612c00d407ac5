/** Random models through our Envoy emitter and a real Envoy. */
import { envoyReferee } from "../support/referee-envoy";
import { describeOutside } from "../support/referee-outside";
import { describeReferee } from "../support/referee-tests";

jest.setTimeout(600_000);

describeReferee(envoyReferee, { models: 2000, requests: 20_000 }, [], describeOutside);
