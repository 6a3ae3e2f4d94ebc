// Starts Swagger UI on this service's own description. No validator badge: it would ask another host.
const source = document.currentScript.dataset.openapi;

// Swagger UI looks for tags alone. People look for a path, a name or a word of a summary as well.
function fits(operation, tag, words) {
  const told = ["operationId", "summary"].map((key) => operation.getIn(["operation", key]));
  const text = [tag, operation.get("method"), operation.get("path"), ...told].join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}

// Swagger UI's own way to follow references reads the whole description each time, for seconds. Here
// they all lead to components of the same description, and none of these is part of itself.
function followed(part, spec) {
  if (Array.isArray(part)) return part.map((one) => followed(one, spec));
  if (part === null || typeof part !== "object") return part;
  const { $ref: reference, ...own } = part;
  const beside = Object.fromEntries(
    Object.entries(own).map(([key, value]) => [key, followed(value, spec)]),
  );
  if (typeof reference !== "string") return beside;
  const steps = reference.replace("#/", "").split("/");
  const name = reference.startsWith("#/components/schemas/") ? { title: steps.at(-1) } : {};
  const found = steps.reduce((inner, step) => inner[step], spec);
  return { ...name, ...followed(found, spec), ...beside };
}

const FollowReferences = () => ({
  fn: {
    resolveSubtree: async (spec, path) => ({
      errors: [],
      spec: followed(path.reduce((inner, step) => inner?.[step], spec), spec),
    }),
  },
});

const SearchOperations = () => ({
  fn: {
    opsFilter: (tags, phrase) => {
      const words = phrase.toLowerCase().split(/\s+/).filter(Boolean);
      return tags
        .map((one, tag) =>
          one.update("operations", (all) => all.filter((each) => fits(each, tag, words))),
        )
        .filter((one) => one.get("operations").size > 0);
    },
  },
  statePlugins: {
    layout: {
      wrapActions: {
        // What is found is shown at once, not behind its tag. Without a phrase all is folded again.
        updateFilter: (update, system) => (phrase) => {
          const result = update(phrase);
          for (const tag of system.specSelectors.taggedOperations().keys()) {
            system.layoutActions.show(["operations-tag", tag], Boolean(phrase));
          }
          return result;
        },
      },
    },
  },
});

fetch(source)
  .then((answer) => answer.json())
  .then((spec) => {
    // "Try it out" asks the service that served this page, wherever people elsewhere reach it.
    const isHere = ({ url }) => new URL(url, location.href).origin === location.origin;
    const here = { url: location.origin, description: "This page's own service" };
    spec.servers = spec.servers.some(isHere) ? spec.servers.filter(isHere) : [here];
    SwaggerUIBundle({
      spec,
      dom_id: "#swagger-ui",
      deepLinking: true,
      persistAuthorization: true,
      validatorUrl: null,
      // Only the tags at first: what is inside is drawn when somebody opens it.
      docExpansion: "none",
      defaultModelsExpandDepth: -1,
      defaultModelExpandDepth: 2,
      displayOperationId: true,
      filter: "",
      plugins: [SearchOperations, FollowReferences],
    });
  });
