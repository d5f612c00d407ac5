// Kafka's cooperative sticky assignor as a program: assigns, lets one consumer join, lets one leave, and prints what that moved.
//   java -cp "$KAFKA_LIBS/*" StickyAssignor.java <consumers> <partitions> <rounds>
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Subscription;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.common.TopicPartition;

public class StickyAssignor {
  static final String topic = "t";
  static int generation = 1;

  /** One rebalance, and the second one that the cooperative protocol needs to hand over what the first has revoked. */
  static Map<String, List<TopicPartition>> rebalance(Map<String, List<TopicPartition>> owned, int partitions) {
    return assign(assign(owned, partitions), partitions);
  }

  static Map<String, List<TopicPartition>> assign(Map<String, List<TopicPartition>> owned, int partitions) {
    CooperativeStickyAssignor assignor = new CooperativeStickyAssignor();
    Map<String, Subscription> subscriptions = new HashMap<>();
    ByteBuffer data = ByteBuffer.allocate(4);
    data.putInt(generation++);
    data.flip();
    owned.forEach((consumer, held) ->
        subscriptions.put(consumer, new Subscription(List.of(topic), data.duplicate(), held, generation - 1, Optional.empty())));
    return assignor.assign(new HashMap<>(Map.of(topic, partitions)), subscriptions);
  }

  static int moves(Map<String, List<TopicPartition>> before, Map<String, List<TopicPartition>> after) {
    int moved = 0;
    for (Map.Entry<String, List<TopicPartition>> entry : after.entrySet()) {
      Set<TopicPartition> had = new HashSet<>(before.getOrDefault(entry.getKey(), List.of()));
      moved += (int) entry.getValue().stream().filter(partition -> !had.contains(partition)).count();
    }
    return moved;
  }

  static int spread(Map<String, List<TopicPartition>> assignment) {
    int most = assignment.values().stream().mapToInt(List::size).max().getAsInt();
    return most - assignment.values().stream().mapToInt(List::size).min().getAsInt();
  }

  public static void main(String[] args) {
    int consumers = Integer.parseInt(args[0]);
    int partitions = Integer.parseInt(args[1]);
    int rounds = Integer.parseInt(args[2]);
    double best = Double.MAX_VALUE;
    Map<String, List<TopicPartition>> first = null;
    for (int round = 0; round < rounds; round++) {
      Map<String, List<TopicPartition>> nobody = new TreeMap<>();
      for (int consumer = 0; consumer < consumers; consumer++) {
        nobody.put("node-" + consumer, new ArrayList<>());
      }
      long began = System.nanoTime();
      first = assign(nobody, partitions);
      best = Math.min(best, (System.nanoTime() - began) / 1e6);
    }
    Map<String, List<TopicPartition>> joining = new TreeMap<>(first);
    joining.put("new", new ArrayList<>());
    Map<String, List<TopicPartition>> joined = rebalance(joining, partitions);
    Map<String, List<TopicPartition>> leaving = new TreeMap<>(first);
    leaving.remove("node-0");
    Map<String, List<TopicPartition>> left = rebalance(leaving, partitions);
    System.out.printf(
        "{\"milliseconds\":%.3f,\"spread\":%d,\"joinMoves\":%d,\"joinSpread\":%d,\"leaveMoves\":%d,\"leaveSpread\":%d,\"left\":%d}%n",
        best, spread(first), moves(first, joined), spread(joined), moves(first, left), spread(left), first.get("node-0").size());
  }
}
