/* The demo shop's page. It only shows prices, discounts and orders. Its server computes them. */
"use strict";

const find = (id) => document.getElementById(id);
const dollars = (amount) =>
  new Intl.NumberFormat("en", { style: "currency", currency: "USD" }).format(amount);
// Identifies the cart to the server, so that an order sent twice is one order.
const newCart = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");

const products = new Map(
  [...document.querySelectorAll("[data-product]")].map((item) => [
    item.dataset.product,
    { name: item.querySelector("h2").textContent, price: Number(item.dataset.price) },
  ]),
);
const cart = { name: newCart(), quantities: new Map(), code: "", discount: 0 };

const items = () => [...cart.quantities].map(([product, quantity]) => ({ product, quantity }));

const say = (sentence, kind = "") => {
  find("told").textContent = sentence;
  find("told").className = kind;
};

const send = async (path, body) => {
  const response = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) {
    throw Object.assign(new Error(answer.message), { refused: response.status < 500 });
  }
  return answer;
};

const draw = () => {
  const subtotal = items().reduce(
    (sum, { product, quantity }) => sum + products.get(product).price * quantity,
    0,
  );
  find("lines").replaceChildren(
    ...items().map(({ product, quantity }) => {
      const line = document.createElement("li");
      const words = document.createElement("span");
      words.textContent = `${quantity} × ${products.get(product).name}`;
      const price = document.createElement("span");
      price.textContent = dollars(products.get(product).price * quantity);
      const remove = document.createElement("button");
      remove.type = "button";
      remove.textContent = "×";
      remove.setAttribute("aria-label", `Remove ${products.get(product).name}`);
      remove.addEventListener("click", () => change(product, 0));
      line.append(words, price, remove);
      return line;
    }),
  );
  find("empty").hidden = cart.quantities.size > 0;
  find("checkout").disabled = cart.quantities.size === 0;
  find("subtotal").textContent = dollars(subtotal);
  find("saving").hidden = !cart.discount;
  find("saved").textContent = `−${dollars(cart.discount)}`;
  find("total").textContent = dollars(subtotal - cart.discount);
};

const apply = async () => {
  cart.discount = 0;
  if (cart.code && cart.quantities.size) {
    try {
      const asked = { items: items(), code: cart.code };
      const { discountAmount, couponCode } = await send("discount", asked);
      cart.discount = discountAmount;
      say(`${couponCode} takes ${dollars(discountAmount)} off.`, "granted");
    } catch (error) {
      cart.code = "";
      say(error.message, "refused");
    }
  }
  draw();
};

const change = (product, quantity) => {
  if (quantity) cart.quantities.set(product, quantity);
  else cart.quantities.delete(product);
  draw();
  apply();
};

for (const item of document.querySelectorAll("[data-product]")) {
  const { product } = item.dataset;
  item
    .querySelector("button")
    .addEventListener("click", () =>
      change(product, Math.min((cart.quantities.get(product) ?? 0) + 1, 99)),
    );
}

find("discount").addEventListener("submit", (event) => {
  event.preventDefault();
  cart.code = find("code").value.trim();
  if (!cart.code) say("Enter a code first.", "refused");
  else if (!cart.quantities.size) say("Put something into the cart first.", "refused");
  apply();
});

find("checkout").addEventListener("click", async () => {
  find("checkout").disabled = true;
  try {
    const order = { cart: cart.name, items: items(), code: cart.code };
    const { orderId, total } = await send("orders", order);
    say(`Order placed: ${dollars(total)}. Its number is ${orderId.slice(0, 13)}.`, "granted");
    Object.assign(cart, { name: newCart(), code: "", discount: 0 });
    cart.quantities.clear();
    find("code").value = "";
  } catch (error) {
    // Somebody may have used the code in the meantime. If there was no answer, the same order can
    // be sent again.
    if (error.refused) Object.assign(cart, { code: "", discount: 0 });
    say(error.message, "refused");
  }
  draw();
});

find("forget").addEventListener("click", () => {
  localStorage.clear();
  location.reload();
});

draw();
