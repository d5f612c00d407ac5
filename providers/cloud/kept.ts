/** What `createCluster` made and the other calls of the same provider object need. */
import { Problems } from "../../src/model/errors";

/** Holds one value from the call that makes it to the calls that need it. */
export class Kept<T> {
  private value: T | undefined;

  /** @param subject for messages, for example `awsProvider` */
  public constructor(private readonly subject: string) {}

  /**
   * @param name of the call, for messages
   * @throws MeshInputError where there is one already: two clusters of one name cannot be
   */
  public keep(name: string, value: () => T): T {
    if (this.value !== undefined) {
      this.fail(
        "createCluster",
        name,
        "this provider object has a cluster already; make one provider object per cluster, or adopt the cluster (cluster.existing) in the second",
      );
    }
    this.value = value();
    return this.value;
  }

  /** Like `keep`, for a provider that can come to the same cluster several times: the last one counts. */
  public replace(value: T): T {
    this.value = value;
    return value;
  }

  /** @throws MeshInputError where `createCluster` has not been called */
  public get(call: string, name: string): T {
    if (this.value === undefined) {
      this.fail(call, name, "createCluster must be called first on the same provider object; ComputeMesh does so");
    }
    return this.value as T;
  }

  private fail(path: string, name: string, allowed: string): void {
    const problems = new Problems(this.subject);
    problems.add(path, name, allowed);
    problems.throwIfAny();
  }
}
