import { Link } from "../router";
import { Empty } from "../ui/feedback";
import { PageHead } from "../ui/page";

export function MissingPage() {
  return (
    <>
      <PageHead title="No such page" />
      <Empty title="Nothing stands at this address.">
        <Link to="/networks" className="button">
          All networks
        </Link>
      </Empty>
    </>
  );
}
